import type { ServedModel, Shadow } from '../policy/policy.ts';
import { isIn, slotOf } from './bucket.ts';

/** Of the copies, the part of which the answering version is asked again: how much it disagrees with itself. */
const REPEATED = 0.01;

/** A shadow that gets a copy of a request; `isRepeated` when the version that answered is to be asked once more too. */
export type Copy = { readonly shadow: Shadow; readonly isRepeated: boolean };

const NONE: readonly Copy[] = [];

/**
 * Who gets a copy of a request that a version of the model answered. Pure: the request's id alone decides, so both
 * answers of a pair are kept, and another gateway would decide the same. A version is never its own shadow.
 */
export function copiesOf({ name, shadows }: ServedModel, answered: string, id: string): readonly Copy[] {
  if (shadows.length === 0) return NONE;
  const copies: Copy[] = [];
  for (const shadow of shadows) {
    const { target, salt, live } = shadow;
    if (target.model === name && target.version === answered) continue;
    const slot = slotOf(salt, id);
    if (isIn(live, slot)) copies.push({ shadow, isRepeated: slot < live.to * REPEATED });
  }
  return copies;
}
