// Sums lie in slots of time, each comparison in its minute's and its hour's: ranges are added up when they are read, and
// retention is dropping whole slots.
import type { SumsDelta } from '../compare/batch.ts';
import type { Retention } from './retention.ts';
import type { Slot } from './store.ts';

export const SLOT_MS: Readonly<Record<Slot, number>> = { minute: 60_000, hour: 3_600_000 };

export const SLOTS = ['minute', 'hour'] as const satisfies readonly Slot[];

/** The most slots one read adds up. */
export const MAX_SLOTS = 1500;

/** Number of the slot that a time falls into. */
export function slotOf(at: number, slot: Slot): number {
  return Math.floor(at / SLOT_MS[slot]);
}

/** Number of the slot that a delta falls into. */
export function slotOfDelta({ minute }: SumsDelta, slot: Slot): number {
  return slotOf(minute * SLOT_MS.minute, slot);
}

/** The slots of [from, to), the newest of them where there are too many. */
export function slotsIn(slot: Slot, from: number, to: number): number[] {
  const last = Math.ceil(to / SLOT_MS[slot]) - 1;
  const first = Math.max(slotOf(from, slot), last - MAX_SLOTS + 1);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}

/** How long a slot is kept. */
export function slotRetention(slot: Slot, { minutesMs, hoursMs }: Retention): number {
  return slot === 'minute' ? minutesMs : hoursMs;
}
