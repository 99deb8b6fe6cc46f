import type { Output } from '../../../model-server/protocol/answer.ts';
import type { DetailOf } from '../comparison.ts';
import type { CompareSpec } from '../spec.ts';
import type { Compared } from './classification.ts';
import { editDistance } from './edit-distance.ts';

/**
 * Texts, after NFC and with runs of white space as one space. Same when equal; with a tolerance, when no element's distance
 * is more than that. Distance is 1 - similarity: the words to change, as a share of the longer text's (Levenshtein),
 * averaged over elements. In scripts that put no spaces between words each letter is one.
 */
export function compareText(
  baseline: Output,
  candidate: Output,
  spec: Pick<CompareSpec, 'tolerance'>,
): Compared<DetailOf<'text'>> {
  const count = Math.max(baseline.values.length, candidate.values.length);
  let sum = 0;
  let least = 1;
  let equal = true;
  for (let i = 0; i < count; i++) {
    const [a, b] = [normalise(baseline.values[i]), normalise(candidate.values[i])];
    equal &&= a === b;
    const alike = a === b ? 1 : similarity(wordsOf(a), wordsOf(b));
    least = Math.min(least, alike);
    sum += alike;
  }
  const mean = count === 0 ? 1 : sum / count;
  const same = spec.tolerance === undefined ? equal : 1 - least <= spec.tolerance;
  return { as: 'text', same, distance: 1 - mean, similarity: mean };
}

function normalise(value: unknown): string {
  return textOf(value).normalize('NFC').replace(/\s+/g, ' ').trim();
}

function textOf(value: unknown): string {
  if (typeof value === 'string' || value === undefined) return value ?? '';
  // JSON has no word for NaN, the infinite and bigints.
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner));
}

/**
 * A letter with its marks of a script that is written without spaces, or a run of anything else. Their punctuation belongs to
 * the script too (Unicode's Script_Extensions). A dictionary would find words in them, but one letter more would move the
 * borders of its neighbours, and the distance with them.
 */
const WORD =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tibt}]\p{M}*|[^\s\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tibt}]+/gu;

function wordsOf(text: string): readonly string[] {
  return text.match(WORD) ?? [];
}

/** 1 - Levenshtein distance of two word lists as a share of the longer one. */
export function similarity(a: readonly string[], b: readonly string[]): number {
  const longer = Math.max(a.length, b.length);
  return longer === 0 ? 1 : 1 - editDistance(a, b) / longer;
}
