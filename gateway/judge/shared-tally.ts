// Tallies as named counts, which any store can add up, and back. What cannot be added stays at home: histograms, which only
// choose edges, streaks and examples.
import {
  emptyTally,
  type Hits,
  NOTHING,
  type ServerClass,
  SILENCE,
  type Signal,
  type Slow,
  type Tally,
} from './tally.ts';

/** Whole numbers by name; names that are missing are 0. */
export type Counts = Readonly<Record<string, number>>;

const CLASSES = ['cpu', 'gpu'] as const;
const WAYS = ['unit', 'request', 'counted'] as const;

/** The counts of a tally; those that are 0 are left out. */
export function countsOf({ outcomes, errors, over, slow }: Tally): Counts {
  const counts: Record<string, number> = {};
  const add = (name: string, value: number) => {
    if (value > 0) counts[name] = value;
  };
  for (const [outcome, count] of Object.entries(outcomes)) add(`outcomes/${outcome}`, count);
  const addSignal = (name: string, signal: Signal) => {
    for (const way of WAYS) {
      add(`${name}/${way}/trials`, signal[way].trials);
      add(`${name}/${way}/hits`, signal[way].hits);
    }
  };
  addSignal('errors', errors);
  addSignal('over', over);
  for (const kind of CLASSES)
    for (const [i, signal] of slow[kind].signals.entries()) addSignal(slowName(kind, slow[kind], i), signal);
  return counts;
}

/** A tally of counts. Slow answers are read at the edges of `like`: those that another gateway counted at others say nothing here. */
export function tallyOf(counts: Counts, like: Tally): Tally {
  const read = (name: string): Hits => ({ trials: counts[`${name}/trials`] ?? 0, hits: counts[`${name}/hits`] ?? 0 });
  const signal = (name: string): Signal => {
    const [unit = NOTHING, request = NOTHING, counted = NOTHING] = WAYS.map((way) => read(`${name}/${way}`));
    return { unit, request, counted };
  };
  const slow = (kind: ServerClass): Slow => ({
    edges: like.slow[kind].edges,
    signals: like.slow[kind].edges.map((_, i) => signal(slowName(kind, like.slow[kind], i)) ?? SILENCE),
  });
  const empty = emptyTally();
  const outcomes = Object.fromEntries(
    Object.keys(empty.outcomes).map((outcome) => [outcome, counts[`outcomes/${outcome}`] ?? 0]),
  ) as Tally['outcomes'];
  return {
    ...empty,
    outcomes,
    errors: signal('errors'),
    over: signal('over'),
    slow: { cpu: slow('cpu'), gpu: slow('gpu') },
  };
}

/** What is left of a total without a part of it. */
export function without(total: Counts, part: Counts): Counts {
  return Object.fromEntries(
    Object.entries(total).flatMap(([name, count]) => {
      const left = count - (part[name] ?? 0);
      return left > 0 ? [[name, left]] : [];
    }),
  );
}

export function addCounts(a: Counts, b: Counts): Counts {
  const sum: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

function slowName(kind: ServerClass, { edges }: Slow, i: number): string {
  return `slow/${kind}/${edges.join(',')}/${i}`;
}
