import type { Output } from '../../../model-server/protocol/answer.ts';
import type { DetailOf } from '../comparison.ts';
import { isSameScalar } from '../scalar.ts';
import type { Compared } from './classification.ts';

/** Values that must be equal, every digit of them; two NaN are equal, and 0 equals -0. Distance is the share that is not. */
export function compareExactly(baseline: Output, candidate: Output): Compared<DetailOf<'exact'>> {
  const [a, b] = [baseline.values, candidate.values];
  let differing = 0;
  for (let i = 0; i < a.length; i++) if (!isEqual(a[i], b[i])) differing++;
  const distance = a.length === 0 ? 0 : differing / a.length;
  return { as: 'exact', same: differing === 0, distance, count: a.length, differing };
}

function isEqual(a: unknown, b: unknown): boolean {
  if (isSameScalar(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(Reflect.get(a, key), Reflect.get(b, key)))
  );
}
