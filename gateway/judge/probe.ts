// A suspension and the probes that follow it: how long the pause is, who asks again, and when enough was seen.
import type { Block, Guards, Rollout } from '../policy/policy.ts';
import type { RolloutState, Suspension } from './state.ts';
import { type Hits, NOTHING, type Tally } from './tally.ts';

const SLOTS = 1_000_000;

/** The first pause; each probe that finds the same doubles it. */
const PAUSE_MS = 30_000;
/** After so many probes that found the same, without evidence that ends the rollout, a person decides. */
export const MOST_PROBES = 4;
/** So many probes in a row at which the candidate's servers failed: it is the version that crashes them. */
export const MOST_CRASHES = 3;

/** Of a step's callers, the part that asks again; between the two bounds of all callers. */
const PART = 0.5;
const SMALLEST = SLOTS / 100;
const LARGEST = SLOTS / 10;

const SHORTEST_MS = 15_000;
const LONGEST_MS = { least: 5 * 60_000, most: 3_600_000, times: 4 } as const;
/** Failures that the probe would show, did the candidate fail as it did before, until their absence means something. */
const EXPECTED = 8;
/** Of the expected ones so many may be seen in a candidate that has nothing. */
const FEW = 1 / 3;
/** Requests without which a probe has seen nothing at all, and how long it waits for them. */
const FEWEST = 10;
const NOBODY_MS = 45_000;

/** How long the candidate's callers stay with the baseline before the next probe, in milliseconds. */
export function pauseOf({ failedProbes }: Suspension): number {
  return PAUSE_MS * 2 ** failedProbes;
}

/** What a probe has seen so far. */
export type Seen = RolloutState['inPhase'];

/** Whether the probe has seen enough: nothing of what led here, or all that it can within its time. */
export function isEnough({ guard, rate, grewMs }: Suspension, seen: Seen): 'passed' | 'over' | 'not yet' {
  const { ms, judged } = seen;
  if (ms < SHORTEST_MS) return 'not yet';
  const asked = askedOf(guard, seen);
  const expected = rate * asked.trials;
  if (asked.trials >= FEWEST && expected >= EXPECTED && asked.hits <= expected * FEW) return 'passed';
  // Where hardly anyone asks it waits, but not without an end.
  const least = judged.trials < FEWEST ? LONGEST_MS.most : LONGEST_MS.least;
  const longest = Math.min(LONGEST_MS.most, Math.max(least, LONGEST_MS.times * grewMs));
  return ms >= longest ? 'over' : 'not yet';
}

/** What a probe has seen of that which led to it; of disagreement it sees nothing, for that is asked of copies. */
function askedOf(guard: Suspension['guard'], { judged, slow, serverFaults }: Seen): Hits {
  switch (guard) {
    case 'latency_versus_baseline':
    case 'latency_p99':
      return slow;
    case 'disagreement':
      return NOTHING;
    case 'servers':
      return { trials: judged.trials + serverFaults, hits: judged.hits + serverFaults };
    default:
      return judged;
  }
}

/** Answers of a tick as slow as those that led to the suspension, while a probe asks about that. */
export function slowIn(
  { timed, hits }: Pick<Tally, 'timed' | 'hits'>,
  { phase, edges }: Pick<RolloutState, 'phase' | 'edges'>,
  guards: Guards | undefined,
): Hits {
  if (phase.name !== 'probing' || guards === undefined) return NOTHING;
  const { guard } = phase.suspension;
  if (guard !== 'latency_versus_baseline' && guard !== 'latency_p99') return NOTHING;
  const limitOf = ({ serverClass }: Tally['hits'][number]) =>
    guard === 'latency_p99'
      ? guards.latencyP99Ms
      : (edges[serverClass].at(-1) ?? Infinity) * guards.versusBaselineLatency;
  const slow = hits.filter((hit) => hit.latencyMs > (limitOf(hit) ?? Infinity));
  return { trials: Math.max(slow.length, timed.cpu + timed.gpu), hits: slow.length };
}

/** Whether so few requests came, in time enough for some, that the probe sees nothing. */
export function isUnanswered({ ms, judged }: Seen): boolean {
  return ms >= NOBODY_MS && judged.trials < FEWEST;
}

/**
 * Who asks again: a part of the step's callers, and others than before where slots are free that no other rollout may ever
 * own. `probe` counts the probes, so that each asks others.
 */
export function probeBlock(own: Block, rollout: Rollout, others: readonly Rollout[], probe: number): Block {
  const size = probeSize(own);
  const taken = others.flatMap(({ id, blocks }) => (id === rollout.id ? [] : [widest(blocks)]));
  const place = others.findIndex(({ id }) => id === rollout.id);
  const free = startsOf(inLanes(gapsBetween([own, ...taken], size), place, others.length), size);
  const starts = free.length > 0 ? free : startsOf(ownParts(own, taken, place, others.length), size);
  const start = starts[probe % Math.max(1, starts.length)] ?? own.from;
  return { from: start, to: start + size };
}

/** Where no one else is free, other parts of its own callers ask: of all callers those that no other rollout may own. */
function ownParts(own: Block, taken: readonly Block[], place: number, count: number): Block[] {
  const parts = gapsBetween(taken, 0).map(({ from, to }) => ({
    from: Math.max(from, own.from),
    to: Math.min(to, own.to),
  }));
  return own.to - own.from === SLOTS ? inLanes(parts, place, count) : parts;
}

/** Rollouts of one model may probe at the same time: each has lanes of its own, in turn. */
function inLanes(blocks: readonly Block[], place: number, count: number): Block[] {
  if (count <= 1) return [...blocks];
  const lanes = Array.from({ length: SLOTS / LARGEST }, (_, i) => i).filter((lane) => lane % count === place);
  return blocks.flatMap(({ from, to }) =>
    lanes.map((lane) => ({ from: Math.max(from, lane * LARGEST), to: Math.min(to, (lane + 1) * LARGEST) })),
  );
}

function probeSize({ from, to }: Block): number {
  const step = to - from;
  return Math.min(step, LARGEST, Math.max(SMALLEST, Math.round(step * PART)));
}

/** All callers that a rollout will ever own. */
function widest(blocks: readonly Block[]): Block {
  return { from: blocks[0]?.from ?? 0, to: Math.max(0, ...blocks.map(({ to }) => to)) };
}

/** What the blocks leave free, where it is large enough. */
function gapsBetween(blocks: readonly Block[], size: number): Block[] {
  const sorted = [...blocks].sort((a, b) => a.from - b.from);
  const gaps: Block[] = [];
  let from = 0;
  for (const block of [...sorted, { from: SLOTS, to: SLOTS }]) {
    if (block.from - from >= size) gaps.push({ from, to: block.from });
    from = Math.max(from, block.to);
  }
  return gaps;
}

function startsOf(blocks: readonly Block[], size: number): number[] {
  return blocks.flatMap(({ from, to }) => startsIn(from, to, size));
}

function startsIn(from: number, to: number, size: number): number[] {
  const count = size === 0 ? 0 : Math.max(0, Math.min(100, Math.floor((to - from) / size)));
  return Array.from({ length: count }, (_, i) => from + i * size);
}
