import type { Compared } from './classification.ts';
import type { DetailOf } from './comparison.ts';
import type { Output } from './output.ts';
import type { CompareSpec } from './spec.ts';

/** Words of a text that are compared: the edit distance grows with their square. */
const MAX_WORDS = 400;

/**
 * Texts, after NFC and with runs of white space as one space. Same when equal; with a tolerance, when the distance is at most
 * that. Distance is 1 - similarity: the words to change, as a share of the longer text's (Levenshtein over the first 400
 * words), averaged over elements.
 */
export function compareText(
  baseline: Output,
  candidate: Output,
  spec: Pick<CompareSpec, 'tolerance'>,
): Compared<DetailOf<'text'>> {
  const count = Math.max(baseline.values.length, candidate.values.length);
  let sum = 0;
  let equal = true;
  for (let i = 0; i < count; i++) {
    const [a, b] = [normalise(baseline.values[i]), normalise(candidate.values[i])];
    equal &&= a === b;
    sum += a === b ? 1 : similarity(a.split(' ', MAX_WORDS), b.split(' ', MAX_WORDS));
  }
  const mean = count === 0 ? 1 : sum / count;
  const same = spec.tolerance === undefined ? equal : 1 - mean <= spec.tolerance;
  return { as: 'text', same, distance: 1 - mean, similarity: mean };
}

function normalise(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : String(JSON.stringify(value));
  return text.normalize('NFC').replace(/\s+/g, ' ').trim();
}

/** 1 - Levenshtein distance of two word lists as a share of the longer one. */
export function similarity(a: readonly string[], b: readonly string[]): number {
  const longer = Math.max(a.length, b.length);
  let previous = Uint16Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = new Uint16Array(b.length + 1);
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(change, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
    }
    previous = row;
  }
  return longer === 0 ? 1 : 1 - (previous[b.length] ?? 0) / longer;
}
