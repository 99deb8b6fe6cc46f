import type { Change } from './changes.ts';
import type { Movement } from './movement.ts';

export type Difference = {
  readonly changes: readonly Change[];
  /** Why a gateway that runs the old policy would refuse the new one. */
  readonly refused: readonly { readonly path: string; readonly message: string }[];
  readonly movements: readonly Movement[];
  /** Models whose routing changes and whose callers were not followed, for there are too many. */
  readonly not_followed: readonly string[];
};
