import { type Subject, type SumsDelta, subjectKey, subjectOf } from '../compare/batch.ts';
import { addAll, type Sums } from '../statistics/sums.ts';
import type { Retention } from './retention.ts';
import { SLOT_MS, SLOTS, slotOfDelta, slotRetention, slotsIn } from './slots.ts';
import type { Slot, SlotSums } from './store.ts';

/** Names a slot: `minute-29012345`. */
export type SlotKey = `${Slot}-${number}`;

/** Sums of comparisons by slot of time, in memory. */
export class SumsMemory {
  readonly #slots = new Map<SlotKey, Map<string, Map<string, number>>>();

  add(deltas: readonly SumsDelta[], only: (slot: SlotKey) => boolean = () => true): void {
    for (const delta of deltas)
      for (const slot of SLOTS) {
        const key: SlotKey = `${slot}-${slotOfDelta(delta, slot)}`;
        if (only(key)) addAll(this.#sumsOf(key, subjectKey(delta.subject)), delta.sums);
      }
  }

  subjects(): Subject[] {
    const keys = new Set([...this.#slots.values()].flatMap((subjects) => [...subjects.keys()]));
    return [...keys].map(subjectOf);
  }

  read(subject: Subject, slot: Slot, from: number, to: number): SlotSums[] {
    const key = subjectKey(subject);
    return slotsIn(slot, from, to).flatMap((number) => {
      const sums = this.#slots.get(`${slot}-${number}`)?.get(key);
      return sums === undefined ? [] : [{ at: number * SLOT_MS[slot], sums }];
    });
  }

  /** Every slot with the sums of its subjects. */
  entries(): readonly (readonly [SlotKey, ReadonlyMap<string, Sums>])[] {
    return [...this.#slots];
  }

  /** Adds to a slot what was taken from it. */
  restore(slot: SlotKey, subjects: ReadonlyMap<string, Sums>): void {
    for (const [subject, sums] of subjects) addAll(this.#sumsOf(slot, subject), sums);
  }

  expire(now: number, retention: Retention): void {
    for (const key of this.#slots.keys()) if (isExpired(key, now, retention)) this.#slots.delete(key);
  }

  #sumsOf(slot: SlotKey, subject: string): Map<string, number> {
    const subjects = this.#slots.get(slot) ?? new Map<string, Map<string, number>>();
    this.#slots.set(slot, subjects);
    const sums = subjects.get(subject) ?? new Map<string, number>();
    subjects.set(subject, sums);
    return sums;
  }
}

/** Whether a slot is older than it is kept. */
export function isExpired(key: SlotKey, now: number, retention: Retention): boolean {
  const [slot, number] = partsOfSlotKey(key);
  return (number + 1) * SLOT_MS[slot] < now - slotRetention(slot, retention);
}

function partsOfSlotKey(key: SlotKey): readonly [Slot, number] {
  const [slot, number] = key.split('-');
  return [slot as Slot, Number(number)];
}
