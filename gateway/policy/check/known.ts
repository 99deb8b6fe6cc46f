// Names that lead somewhere, and what to say when they do not.
import type { Mistake } from '../mistakes.ts';
import type { PolicyFile } from '../schema.ts';
import { didYouMean } from '../suggest.ts';

export type Path = readonly PropertyKey[];

/** No mistake when `word` is one of `words`; else one that offers the closest of them. */
export function known(
  path: Path,
  word: string,
  words: readonly string[],
  what: string,
  where = '',
  at: 'value' | 'key' = 'value',
): Mistake[] {
  return words.includes(word) ? [] : [{ path, message: `no ${what} "${word}"${where}${didYouMean(word, words)}`, at }];
}

/** A model of the policy that has versions and not tiers, so that no way through ladders ever leads in a circle. */
export function knownServed(path: Path, target: string, file: PolicyFile, rule: string): Mistake[] {
  const model = Object.hasOwn(file.models, target) ? file.models[target] : undefined;
  if (model === undefined) return known(path, target, Object.keys(file.models), 'model');
  return 'tiers' in model ? [{ path, message: `model "${target}" has tiers itself; ${rule} with versions` }] : [];
}
