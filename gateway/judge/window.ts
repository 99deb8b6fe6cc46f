// The recent past of one arm, for people and for the edges of slowness: sums of ticks in slots of ten seconds. Evidence
// does not come from here: it is gathered tick by tick, so no old slot can speak about a new step.
import { addHistogram, emptyHistogram, type Histogram } from './histogram.ts';
import type { ServerClass, Tally } from './tally.ts';

const SLOT_MS = 10_000;

export type Slot = {
  /** Which ten seconds, on the clock that the ticks are timed with. */
  readonly index: number;
  readonly outcomes: Tally['outcomes'];
  readonly histograms: Readonly<Record<ServerClass, Histogram>>;
};

/** Slots, oldest first. */
export type Window = readonly Slot[];

/** The window with one more tick, and without the slots that ended more than `keepMs` before it. */
export function addTick(
  window: Window,
  nowMs: number,
  tick: Pick<Tally, 'outcomes' | 'histograms'>,
  keepMs: number,
): Window {
  const index = Math.floor(nowMs / SLOT_MS);
  const kept = window.filter((slot) => slot.index !== index && (index - slot.index - 1) * SLOT_MS < keepMs);
  const before = window.find((slot) => slot.index === index);
  return [...kept, { index, ...sumOf(before === undefined ? [tick] : [before, tick]) }];
}

/** Everything in the window together. */
export function sumOf(slots: readonly Pick<Tally, 'outcomes' | 'histograms'>[]): Omit<Slot, 'index'> {
  const outcomes = { ok: 0, model_fault: 0, server_fault: 0, client_fault: 0, shed: 0, client_left: 0 };
  const histograms = { cpu: emptyHistogram(), gpu: emptyHistogram() };
  for (const slot of slots) {
    for (const kind of Object.keys(outcomes) as (keyof typeof outcomes)[]) outcomes[kind] += slot.outcomes[kind];
    addHistogram(histograms.cpu, slot.histograms.cpu);
    addHistogram(histograms.gpu, slot.histograms.gpu);
  }
  return { outcomes, histograms };
}
