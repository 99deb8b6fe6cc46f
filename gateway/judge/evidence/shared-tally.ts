// Tallies as named counts, which any store can add up, and back. What cannot be added stays at home: histograms, which only
// choose edges, and examples.
import { emptyTally, GROUPS, type Hit, type Tally, type Traffic } from './tally.ts';

/** Whole numbers by name; names that are missing are 0. */
export type Counts = Readonly<Record<string, number>>;

/** Counts of both arms, and whose they are. */
export type BothCounts = { readonly candidate: Counts; readonly baseline: Counts };

/**
 * Failures, and slow answers, that one gateway shares in a second; beyond, those of the units with low numbers, in both arms
 * alike. However many are slow, failures keep their places: their rates are held beside counts of all requests.
 */
const MOST_FAILED = 200;
const MOST_SLOW = 100;
const UNITS = 2 ** 48;

/** The counts of a tick; those that are 0 are left out. */
export function countsOf({ candidate, baseline }: Pick<Traffic, 'candidate' | 'baseline'>): BothCounts {
  const isShared = sharedOf([...candidate.hits, ...baseline.hits]);
  return { candidate: countsOfArm(candidate, isShared), baseline: countsOfArm(baseline, isShared) };
}

/** Whether a hit is among those that are shared. */
function sharedOf(hits: readonly Hit[]): (hit: Hit) => boolean {
  const failed = hits.reduce((sum, { isError }) => sum + (isError ? 1 : 0), 0);
  const below = (all: number, most: number) => (all <= most ? UNITS : (UNITS * most) / all);
  const limits = { failed: below(failed, MOST_FAILED), slow: below(hits.length - failed, MOST_SLOW) };
  return ({ unit, isError }) => unit < (isError ? limits.failed : limits.slow);
}

function countsOfArm({ outcomes, judged, timed, groups, hits }: Tally, isShared: (hit: Hit) => boolean): Counts {
  const counts: Record<string, number> = {};
  const add = (name: string, value: number) => {
    if (value > 0) counts[name] = (counts[name] ?? 0) + value;
  };
  for (const [outcome, count] of Object.entries(outcomes)) add(`outcomes/${outcome}`, count);
  add('judged/trials', judged.trials);
  add('judged/hits', judged.hits);
  add('timed/cpu', timed.cpu);
  add('timed/gpu', timed.gpu);
  for (const [i, requests] of groups.requests.entries()) add(`asked/${i}`, requests);
  for (const [i, failed] of groups.failed.entries()) add(`failed/${i}`, failed);
  for (const hit of hits) if (isShared(hit)) add(nameOf(hit), 1);
  return counts;
}

/** A tally of counts. */
export function tallyOf(counts: Counts): Tally {
  const count = (name: string) => counts[name] ?? 0;
  const empty = emptyTally();
  const group = (kind: string) => Array.from({ length: GROUPS }, (_, i) => count(`${kind}/${i}`));
  return {
    ...empty,
    outcomes: Object.fromEntries(
      Object.keys(empty.outcomes).map((outcome) => [outcome, count(`outcomes/${outcome}`)]),
    ) as Tally['outcomes'],
    judged: { trials: count('judged/trials'), hits: count('judged/hits') },
    timed: { cpu: count('timed/cpu'), gpu: count('timed/gpu') },
    groups: count('judged/trials') === 0 ? empty.groups : { requests: group('asked'), failed: group('failed') },
    hits: Object.keys(counts).flatMap(hitNamed),
  };
}

/** `hit/{unit}/{failed or ok}/{milliseconds}/{class}`. Two of the same second are one: a unit counts once in a run. */
function nameOf({ unit, isError, latencyMs, serverClass }: Hit): string {
  return `hit/${unit.toString(36)}/${isError ? 'failed' : 'ok'}/${+latencyMs.toPrecision(3)}/${serverClass}`;
}

function hitNamed(name: string): Hit[] {
  const [kind, unit = '', result, latency, serverClass] = name.split('/');
  const [number, latencyMs] = [Number.parseInt(unit, 36), Number(latency)];
  if (kind !== 'hit' || !Number.isSafeInteger(number) || !Number.isFinite(latencyMs)) return [];
  return [
    {
      unit: number,
      isError: result === 'failed',
      latencyMs,
      serverClass: serverClass === 'gpu' ? 'gpu' : 'cpu',
    },
  ];
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
