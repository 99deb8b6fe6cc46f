// What others may have written under our keys, by hand or as another program: what Sluice does not write is left out.
import { isKey, partsOf } from '../../statistics/sums.ts';
import type { Damages } from '../damage.ts';
import type { Say } from '../foreign.ts';
import type { Client } from './clients.ts';

/** The parts of a field or member, each as it was before it was encoded; undefined when their number is another. */
export function partsIn(word: string, count: number, say: Say): readonly string[] | undefined {
  if (isKey(word)) {
    const parts = partsOf(word);
    if (parts.length === count) return parts;
  }
  say(`"${word.slice(0, 80)}" is not a name that Sluice writes`);
  return undefined;
}

/** The number in a text, from `least` on; undefined when it is none. */
export function numberIn(text: string, least: number, say: Say): number | undefined {
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(number) && number >= least) return number;
  say(`"${text.slice(0, 80)}" is no number from ${least} on`);
  return undefined;
}

/** The fields of a hash; none, and noted, where the key holds something else. */
export async function readHash(client: Client, key: string, damages: Damages): Promise<Record<string, string>> {
  return client.hgetall(key).catch((error: Error) => {
    if (!/^WRONGTYPE/.test(error.message)) throw error;
    damages.saw(key, ['it holds something else than a hash']);
    return {};
  });
}
