// The baseline's latencies of the last minutes, for the edges of slowness: sums of ticks in slots of half a minute.
import { addHistogram, emptyHistogram, type Histogram } from './histogram.ts';
import { NO_LATENCIES, type ServerClass } from './tally.ts';

const SLOT_MS = 30_000;

type Histograms = Readonly<Record<ServerClass, Histogram>>;

export type Slot = {
  /** Which half minute, on the clock that the ticks are timed with. */
  readonly index: number;
  readonly histograms: Histograms;
};

/** Slots, oldest first. */
export type Window = readonly Slot[];

/** The window with one more tick, and without the slots that ended more than `keepMs` before it. */
export function addTick(window: Window, nowMs: number, histograms: Histograms, keepMs: number): Window {
  const index = Math.floor(nowMs / SLOT_MS);
  const last = window.at(-1);
  if (last?.index === index) {
    addAll(last.histograms, histograms);
    return window;
  }
  const kept = window.filter((slot) => (index - slot.index - 1) * SLOT_MS < keepMs);
  return [...kept, { index, histograms: sumOf([{ histograms }]) }];
}

/** Everything in the window together. */
export function sumOf(slots: readonly Pick<Slot, 'histograms'>[]): Histograms {
  const sum = { cpu: emptyHistogram(), gpu: emptyHistogram() };
  for (const { histograms } of slots) addAll(sum, histograms);
  return sum;
}

/** Most ticks have no latency of one class. */
function addAll(sum: Histograms, more: Histograms): void {
  if (more.cpu !== NO_LATENCIES) addHistogram(sum.cpu, more.cpu);
  if (more.gpu !== NO_LATENCIES) addHistogram(sum.gpu, more.gpu);
}
