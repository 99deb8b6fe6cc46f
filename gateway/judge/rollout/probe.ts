// A suspension and the probes that follow it: how long the pause is, who asks again, and when enough was seen.
import type { Block, Rollout } from '../../policy/policy.ts';
import type { Hits } from '../evidence/tally.ts';
import type { InPhase, Suspension } from './state.ts';

const SLOTS = 1_000_000;

/** After this number of probes that found the same, without evidence that ends the rollout, a person decides. */
export const MOST_PROBES = 4;
/** The candidate's servers failed at this number of probes in a row: it is the version that crashes them. */
export const MOST_CRASHES = 3;

/** Of a step's callers, the part that asks again; between the two bounds of all callers. */
const PART = 0.5;
const SMALLEST = SLOTS / 100;
const LARGEST = SLOTS / 10;

const SHORTEST_MS = 15_000;
const LONGEST_MS = { least: 5 * 60_000, most: 3_600_000, times: 4 } as const;
/** Failures that the probe would show, did the candidate fail as it did before, until their absence means something. */
const EXPECTED = 8;
/** The part of the expected failures that a candidate without a fault may show. */
const FEW = 1 / 3;
/** Requests without which a probe has seen nothing at all, and how long it waits for them. */
const FEWEST = 10;
const NOBODY_MS = 45_000;

/** The pause after a first suspension where no guard has one to say. */
const PAUSE_MS = 30_000;

/**
 * How long the candidate's callers stay with the baseline before the next probe, in milliseconds: the policy's pause, doubled by
 * each probe that found the same.
 */
export function pauseOf(
  { failedProbes }: Pick<Suspension, 'failedProbes'>,
  { guards }: Pick<Rollout, 'guards'>,
): number {
  return (guards?.pauseMs ?? PAUSE_MS) * 2 ** failedProbes;
}

/** What a probe has seen so far of what led to the suspension. */
export type Seen = { readonly ms: number; readonly requests: number; readonly hits: Hits };

/** The same things are looked for that a guard looks at. */
export function seenInProbe({ guard }: Pick<Suspension, 'guard'>, inPhase: InPhase): Seen {
  const { ms, judged, serverFaults } = inPhase;
  const hits = hitsOf(guard, inPhase);
  return { ms, requests: judged.trials + (guard === 'servers' ? serverFaults : 0), hits };
}

function hitsOf(guard: Suspension['guard'], { judged, slow, over, compared, serverFaults }: InPhase): Hits {
  switch (guard) {
    case 'latency_versus_baseline':
      return slow;
    case 'latency_p99':
      return over;
    case 'disagreement':
      return compared;
    case 'servers':
      return { trials: judged.trials + serverFaults, hits: judged.hits + serverFaults };
    default:
      return judged;
  }
}

/** Whether the probe has seen enough: nothing of what led here, or all that it can within its time. */
export function isEnough({ rate, grewMs }: Suspension, { ms, requests, hits }: Seen): 'passed' | 'over' | 'not yet' {
  if (ms < SHORTEST_MS) return 'not yet';
  const expected = rate * hits.trials;
  if (requests >= FEWEST && expected >= EXPECTED && hits.hits <= expected * FEW) return 'passed';
  // Where hardly anyone asks it waits, but not without an end.
  const least = requests < FEWEST ? LONGEST_MS.most : LONGEST_MS.least;
  const longest = Math.min(LONGEST_MS.most, Math.max(least, LONGEST_MS.times * grewMs));
  return ms >= longest ? 'over' : 'not yet';
}

/** Whether so few requests came, in time enough for some, that the probe sees nothing. */
export function isUnanswered({ ms, requests }: Seen): boolean {
  return ms >= NOBODY_MS && requests < FEWEST;
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

/** Who asks again where nobody else does: the step's own callers, and half of all callers at most. */
export function widenedBlock({ from, to }: Block): Block {
  return { from, to: Math.min(to, from + SLOTS / 2) };
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
