// One tick of evidence: what each guard makes of it.
import { type Crowd, type Look, NO_CROWD, partOfLook } from '../evidence/callers.ts';
import { type Compared, closeCompared, notCompared, weighHits } from '../evidence/compared.ts';
import { addComparisons, type Comparisons, evidenceOfExcess, NO_COMPARISONS } from '../evidence/disagreement.ts';
import { EDGES, FAILED, OVER, SLOW } from '../evidence/first-hits.ts';
import { grow } from '../evidence/grown.ts';
import { addRecent, failingPart, NO_RECENT, type Recent } from '../evidence/recent.ts';
import { beginRuns, type Clock, NEW_CLOCK, passTime } from '../evidence/runs.ts';
import { EXAMPLES, type Tally } from '../evidence/tally.ts';
import { countedOf, firstInRun, slowOf, type Tick } from '../evidence/tick.ts';
import { type Breaker, breakerOf } from './breaker.ts';
import { riskOf } from './budget.ts';
import { type Ceiling, isNeutral, NO_CEILING, weighCeiling } from './ceiling.ts';
import { type Detector, detect, FRESH } from './detector.ts';
import { addEvidence, NO_PROMOTION, type Promotion } from './promotion.ts';

/** The part of the answers that may be slower than a ceiling of the 99th percentile. */
export const OVER_P99 = 0.01;

const SLOWNESS = Array.from({ length: EDGES }, (_, edge) => SLOW + edge);

/** All that is known for and against a candidate since its evidence began. Plain numbers: it is stored and sent as JSON. */
export type Evidence = {
  readonly clock: Clock;
  readonly errors: Compared;
  readonly slow: Compared;
  /** Looks at callers by their own rates: how many there were, and the evidence of the strongest. */
  readonly looks: { readonly count: number; readonly value: number; readonly strongest: Look | undefined };
  /** How many groups of callers asked since the evidence began. */
  readonly crowd: Crowd;
  readonly errorRate: Ceiling;
  readonly latency: Ceiling;
  readonly disagreement: Ceiling;
  /** The ceilings asked of the baseline: while it breaches one, that one says nothing about the candidate. */
  readonly baseline: { readonly errorRate: Detector; readonly latency: Detector };
  readonly recent: Recent;
  readonly breaker: Breaker;
  readonly failingUnits: number;
  readonly examples: Tally['examples'];
  /** Kept over suspensions: what speaks for the candidate, and what was compared. */
  readonly promotion: Promotion;
  readonly comparisons: Comparisons;
};

export const NO_EVIDENCE: Evidence = {
  clock: NEW_CLOCK,
  errors: notCompared(1),
  slow: notCompared(EDGES),
  looks: { count: 0, value: 0, strongest: undefined },
  crowd: NO_CROWD,
  errorRate: NO_CEILING,
  latency: NO_CEILING,
  disagreement: NO_CEILING,
  baseline: { errorRate: FRESH, latency: FRESH },
  recent: NO_RECENT,
  breaker: 'closed',
  failingUnits: 0,
  examples: { errors: [], slow: [] },
  promotion: NO_PROMOTION,
  comparisons: NO_COMPARISONS,
};

/** Evidence that begins anew, with what speaks for the candidate kept. */
export function afresh({ promotion, comparisons }: Evidence): Evidence {
  return { ...NO_EVIDENCE, promotion, comparisons };
}

/** The evidence with new runs in every family: a share that changed, or a memory of units that was lost. */
export function inNewRuns(evidence: Evidence): Evidence {
  const clock = beginRuns(evidence.clock);
  return clock === evidence.clock ? evidence : atClock(evidence, clock, true);
}

/** The evidence with one more tick. Comparisons reach the disagreement alone. */
export function weigh(before: Evidence, tick: Tick): Evidence {
  const { guards, traffic, hits } = tick;
  const evidence = hits.isNew ? inNewRuns(before) : before;
  const recent = addRecent(evidence.recent, traffic);
  const clock = traffic.coin === 0 ? evidence.clock : passTime(evidence.clock, tick.elapsedMs);
  const { failingUnits } = hits;
  const next: Evidence = {
    ...evidence,
    // A memory of units that has just begun does not know who was counted before.
    ...(hits.isNew && evidence !== before
      ? {}
      : { ...weighCeilings(evidence, tick), ...weighCompared(evidence, tick) }),
    recent,
    looks: weighLooks(evidence.looks, tick.looks),
    // A process that has just started has seen fewer than there are.
    crowd: moreOf(evidence.crowd, tick.crowd),
    disagreement: weighDisagreement(evidence, tick),
    breaker: breakerOf({
      recent,
      consecutiveFailures: guards.consecutiveFailures,
      failingUnits,
      crowd: tick.crowd.candidate,
      excusedUnits: tick.excusedUnits,
      isServed: tick.isServed,
    }),
    failingUnits,
    comparisons: addComparisons(evidence.comparisons, tick.comparisons),
    examples: {
      errors: latest(evidence.examples.errors, traffic.candidate.examples.errors),
      slow: latest(evidence.examples.slow, traffic.candidate.examples.slow),
    },
  };
  return atClock(next, clock, tick.isBounded);
}

/** Evidence of the errors is by first failures or by callers' rates, whichever is stronger; each has its part of the risk. */
const PARTS = { first: 0.65, rates: 0.35 } as const;

export function errorEvidence({ errors, looks }: Evidence): number {
  return Math.max(PARTS.first * errors.value, PARTS.rates * looks.value);
}

/** Whether callers' rates say more about the errors than first failures do. */
export function isByRates({ errors, looks }: Evidence): boolean {
  return PARTS.rates * looks.value > PARTS.first * errors.value;
}

/** The evidence when time has gone on: blocks and runs that are over are closed. */
function atClock(evidence: Evidence, clock: Clock, isBounded: boolean): Evidence {
  const { clock: before } = evidence;
  if (clock === before) return evidence;
  if (clock.runs === before.runs && clock.blockMs > before.blockMs) return { ...evidence, clock };
  const close = (compared: Compared) => closeCompared(compared, before, clock, isBounded);
  return { ...evidence, clock, errors: close(evidence.errors), slow: close(evidence.slow) };
}

function weighCompared(evidence: Evidence, tick: Tick): Pick<Evidence, 'errors' | 'slow' | 'promotion'> {
  const { traffic, hits, guards } = tick;
  const { candidate, baseline, coin } = traffic;
  const [mine, theirs] = [firstInRun(hits, FAILED, 0), firstInRun(hits, FAILED, 1)];
  const counted = countedOf(tick, 'candidate', FAILED);
  const ratio = guards.versusBaseline;
  return {
    errors: weighHits(evidence.errors, evidence.clock, tick, [FAILED], ratio, {
      occasions: mine,
      candidate: candidate.judged,
      baseline: baseline.judged,
    }),
    slow: weighHits(evidence.slow, evidence.clock, tick, SLOWNESS, 1, {
      occasions: firstInRun(hits, SLOW, 0),
      candidate: slowOf(tick, 'candidate'),
      baseline: slowOf(tick, 'baseline'),
    }),
    promotion: addEvidence(evidence.promotion, { mine, theirs, coin, ratio, counted }),
  };
}

function weighLooks(before: Evidence['looks'], looks: readonly Look[]): Evidence['looks'] {
  return looks.reduce((sum, look) => {
    const value = Math.min(1e15, partOfLook(look.index) / Math.max(1e-300, look.p));
    const isStronger = value > sum.value;
    return {
      count: Math.max(sum.count, look.index + 1),
      value: Math.max(sum.value, value),
      strongest: isStronger ? look : sum.strongest,
    };
  }, before);
}

function moreOf(a: Crowd, b: Crowd): Crowd {
  return { candidate: Math.max(a.candidate, b.candidate), baseline: Math.max(a.baseline, b.baseline) };
}

function weighCeilings(evidence: Evidence, tick: Tick): Pick<Evidence, 'errorRate' | 'latency' | 'baseline'> {
  const { guards } = tick;
  const overP99 = guards.latencyP99Ms === undefined ? undefined : OVER_P99;
  const errorRate = weighCeiling(evidence.errorRate, evidence.baseline.errorRate, FAILED, guards.errorRate, tick);
  const latency = weighCeiling(evidence.latency, evidence.baseline.latency, OVER, overP99, tick);
  return {
    errorRate: errorRate.ceiling,
    latency: latency.ceiling,
    baseline: { errorRate: errorRate.baseline, latency: latency.baseline },
  };
}

function weighDisagreement(
  evidence: Evidence,
  { comparisons: { raw, noise }, guards, step, elapsedMs, at }: Tick,
): Ceiling {
  const { disagreement: before, comparisons } = evidence;
  if (guards.disagreement === undefined) return before;
  const risk = riskOf('disagreement', guards) / 2;
  const logs = evidenceOfExcess(raw, comparisons, guards.disagreement, risk);
  return {
    detector: logs.length === 0 ? before.detector : detect(before.detector, step, logs),
    grown: grow(
      before.grown,
      isNeutral(before.detector),
      { occasions: raw.hits, candidate: raw, baseline: noise },
      elapsedMs,
      at,
    ),
  };
}

/** The part of the baseline's groups that failed in the last half minute. */
export function recentRate({ recent }: Evidence): number {
  return failingPart(recent.baseline.fast);
}

function latest(old: readonly string[], fresh: readonly string[]): readonly string[] {
  return fresh.length === 0 ? old : [...fresh, ...old].slice(0, EXAMPLES);
}
