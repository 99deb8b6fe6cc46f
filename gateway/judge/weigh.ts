// One tick of evidence: what each guard makes of it.
import type { Guards } from '../policy/policy.ts';
import { evidenceAbove } from './absolute.ts';
import { type Breaker, breakerOf } from './breaker.ts';
import { riskOf } from './budget.ts';
import { type Look, partOfLook } from './callers.ts';
import { logRatios } from './coin.ts';
import { type Detector, detect, emptied, evidenceOf, FRESH } from './detector.ts';
import { addComparisons, type Comparisons, evidenceOfExcess, NO_COMPARISONS } from './disagreement.ts';
import { ANY_FAILED, countOf, EDGES, FAILED, type FirstHits, OVER, SLOW } from './first-hits.ts';
import { addVectors } from './mixture.ts';
import { addEvidence, NO_PROMOTION, type Promotion } from './promotion.ts';
import { addRecent, failingPart, NO_RECENT, type Recent } from './recent.ts';
import {
  addLogs,
  beginRuns,
  type Clock,
  closeRuns,
  evidenceIn,
  FAMILIES,
  NEW_CLOCK,
  NO_ODDS,
  type Odds,
  passTime,
} from './runs.ts';
import { isBreached } from './shared-failure.ts';
import { addHits, EXAMPLES, type Hits, NOTHING, type ServerClass, type Tally, type Traffic } from './tally.ts';

/** A guard's evidence, and what has happened since it began to grow. */
export type Grown = {
  readonly since: string;
  /** Milliseconds since then. */
  readonly ms: number;
  readonly candidate: Hits;
  readonly baseline: Hits;
};

/** Evidence by first hits. Slowness has odds for each edge, errors one. */
export type Compared = { readonly odds: readonly Odds[]; readonly value: number; readonly grown: Grown };

/** A ceiling's evidence. */
export type Ceiling = { readonly detector: Detector; readonly grown: Grown };

/** All that is known for and against a candidate since its evidence began. Plain numbers: it is stored and sent as JSON. */
export type Evidence = {
  readonly clock: Clock;
  readonly errors: Compared;
  readonly slow: Compared;
  /** Looks at callers by their own rates: how many there were, and the evidence of the strongest. */
  readonly looks: { readonly count: number; readonly value: number; readonly strongest: Look | undefined };
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

const NOT_GROWN: Grown = { since: '', ms: 0, candidate: NOTHING, baseline: NOTHING };
const NO_CEILING: Ceiling = { detector: FRESH, grown: NOT_GROWN };

export const NO_EVIDENCE: Evidence = {
  clock: NEW_CLOCK,
  errors: { odds: [NO_ODDS], value: 0, grown: NOT_GROWN },
  slow: { odds: new Array(EDGES).fill(NO_ODDS), value: 0, grown: NOT_GROWN },
  looks: { count: 0, value: 0, strongest: undefined },
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
  return clock === evidence.clock ? evidence : atClock(evidence, clock);
}

/** As far as the baseline's evidence is followed, so that it falls again soon after a shared failure. */
const BASELINE_MOST = 1e4;

/** The part of the answers that may be slower than a ceiling of the 99th percentile. */
export const OVER_P99 = 0.01;

export type Tick = {
  readonly traffic: Traffic;
  readonly hits: FirstHits;
  readonly looks: readonly Look[];
  readonly comparisons: Comparisons;
  readonly guards: Guards;
  /** From 0. */
  readonly step: number;
  readonly elapsedMs: number;
  /** Failing units that were found to be no fault of the candidate. */
  readonly excusedUnits: number;
  readonly isServed: boolean;
  /** Wall-clock time, for people. */
  readonly at: string;
};

/** The evidence with one more tick. Comparisons reach the disagreement alone. */
export function weigh(before: Evidence, tick: Tick): Evidence {
  const { guards, traffic, hits } = tick;
  const evidence = hits.isNew ? inNewRuns(before) : before;
  const recent = addRecent(evidence.recent, traffic);
  const inTick = { ...evidence, recent };
  const clock = traffic.coin === 0 ? evidence.clock : passTime(evidence.clock, tick.elapsedMs);
  const weighed = hits.isNew ? inTick : { ...inTick, ...weighCeilings(inTick, tick), ...weighCompared(inTick, tick) };
  const breaker = breakerOf({
    recent,
    consecutiveFailures: guards.consecutiveFailures,
    failingUnits: hits.failingUnits,
    excusedUnits: tick.excusedUnits,
    isServed: tick.isServed,
  });
  const next = {
    ...weighed,
    looks: weighLooks(evidence.looks, tick.looks),
    disagreement: weighDisagreement(evidence, tick),
    breaker,
    failingUnits: hits.failingUnits,
    comparisons: addComparisons(evidence.comparisons, tick.comparisons),
    examples: {
      errors: latest(evidence.examples.errors, traffic.candidate.examples.errors),
      slow: latest(evidence.examples.slow, traffic.candidate.examples.slow),
    },
  };
  return atClock(next, clock);
}

/** Evidence of the errors is by first failures or by callers' rates, whichever is stronger; each has its part of the risk. */
const PARTS = { first: 0.8, rates: 0.2 } as const;

export function errorEvidence({ errors, looks }: Evidence): number {
  return Math.max(PARTS.first * errors.value, PARTS.rates * looks.value);
}

/** Whether callers' rates say more about the errors than first failures do. */
export function isByRates({ errors, looks }: Evidence): boolean {
  return PARTS.rates * looks.value > PARTS.first * errors.value;
}

function atClock(evidence: Evidence, clock: Clock): Evidence {
  const { clock: before } = evidence;
  if (clock.runs === before.runs) return { ...evidence, clock };
  const close = (compared: Compared): Compared => {
    const odds = compared.odds.map((each) => closeRuns(each, before, clock));
    return { ...compared, odds, value: meanValue(odds, clock) };
  };
  return { ...evidence, clock, errors: close(evidence.errors), slow: close(evidence.slow) };
}

function weighCompared(evidence: Evidence, tick: Tick): Pick<Evidence, 'errors' | 'slow' | 'promotion'> {
  const { traffic, hits, guards } = tick;
  const { candidate, baseline, coin } = traffic;
  const [mine, theirs] = [firstInRun(hits, FAILED, 0), firstInRun(hits, FAILED, 1)];
  return {
    errors: weighHits(evidence.errors, evidence.clock, tick, [FAILED], guards.versusBaseline, {
      candidate: { trials: candidate.judged.trials, hits: mine },
      baseline: { trials: baseline.judged.trials, hits: theirs },
    }),
    slow: weighHits(evidence.slow, evidence.clock, tick, SLOWNESS, 1, {
      candidate: { trials: candidate.timed.cpu + candidate.timed.gpu, hits: firstInRun(hits, SLOW + EDGES - 1, 0) },
      baseline: { trials: baseline.timed.cpu + baseline.timed.gpu, hits: firstInRun(hits, SLOW + EDGES - 1, 1) },
    }),
    promotion:
      coin === 0
        ? evidence.promotion
        : addEvidence(evidence.promotion, {
            mine: firstInRun(hits, ANY_FAILED, 0),
            theirs: firstInRun(hits, ANY_FAILED, 1),
            coin,
            ratio: guards.versusBaseline,
            counted: countedOf(tick, 'candidate', ANY_FAILED),
          }),
  };
}

const SLOWNESS = Array.from({ length: EDGES }, (_, edge) => SLOW + edge);

/** First hits of this minute: the shortest run, in which no one is counted twice. */
function firstInRun(hits: FirstHits, signal: number, arm: 0 | 1): number {
  return countOf(hits, signal, 0, arm);
}

function weighHits(
  before: Compared,
  clock: Clock,
  { traffic, hits, elapsedMs, at }: Tick,
  signals: readonly number[],
  tolerated: number,
  seen: { readonly candidate: Hits; readonly baseline: Hits },
): Compared {
  const grown = grow(before.grown, before.value < 1, seen, elapsedMs, at);
  if (hits.counts.length === 0 || traffic.coin === 0) return { ...before, grown };
  const odds = signals.map((signal, i) =>
    addLogs(
      before.odds[i] ?? NO_ODDS,
      FAMILIES.map((_, family) => logsOf(traffic, hits, signal, family, tolerated)),
    ),
  );
  return { odds, value: meanValue(odds, clock), grown };
}

/** The mean over edges is one e-value again. */
function meanValue(odds: readonly Odds[], clock: Clock): number {
  return odds.reduce((sum, each) => sum + evidenceIn(each, clock), 0) / odds.length;
}

/** Log ratios of the first hits of a signal in one family of runs; none where there were no hits. */
function logsOf(traffic: Traffic, hits: FirstHits, signal: number, family: number, tolerated: number): number[] {
  if (signal === FAILED) {
    const [mine, theirs] = [countOf(hits, signal, family, 0), countOf(hits, signal, family, 1)];
    return mine + theirs === 0 ? [] : logRatios(mine, mine + theirs, traffic.coin, tolerated);
  }
  // Versions may use classes of servers differently: only that part of the callers' requests can be slow there.
  return (['cpu', 'gpu'] as const).reduce<number[]>((sum, kind) => {
    const [mine, theirs] = [countOf(hits, signal, family, 0, kind), countOf(hits, signal, family, 1, kind)];
    if (mine + theirs === 0) return sum;
    const coin = coinAt(traffic, kind);
    if (coin === 0 || coin === 1) return sum; // one arm alone is there: nothing to compare with
    const logs = logRatios(mine, mine + theirs, coin, tolerated);
    return sum.length === 0 ? logs : addVectors(sum, logs);
  }, []);
}

/** The coin among requests that servers of one class answered. */
function coinAt({ coin, candidate, baseline }: Traffic, kind: ServerClass): number {
  const part = ({ timed }: Tally) => timed[kind] / Math.max(1, timed.cpu + timed.gpu);
  const [mine, theirs] = [coin * part(candidate), (1 - coin) * part(baseline)];
  return mine + theirs === 0 ? 0 : mine / (mine + theirs);
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

/** All requests, each unit's up to its first hit of the minute: a rate in requests, as people think of it. */
function countedOf({ traffic, hits }: Tick, side: 'candidate' | 'baseline', signal: number): Hits {
  const { judged, timed } = traffic[side];
  const first = firstInRun(hits, signal, side === 'candidate' ? 0 : 1);
  const isFailure = signal === FAILED || signal === ANY_FAILED;
  const all = isFailure ? judged.trials - judged.hits : timed.cpu + timed.gpu;
  return { trials: Math.max(first, Math.round(all * hits.part) + (isFailure ? first : 0)), hits: first };
}

function weighCeiling(
  { detector, grown }: Ceiling,
  before: Detector,
  signal: number,
  limit: number | undefined,
  tick: Tick,
): { readonly ceiling: Ceiling; readonly baseline: Detector } {
  if (limit === undefined) return { ceiling: { detector, grown }, baseline: before };
  const [mine, theirs] = [countedOf(tick, 'candidate', signal), countedOf(tick, 'baseline', signal)];
  const { step, elapsedMs, at } = tick;
  const baseline = theirs.trials === 0 ? before : detect(before, step, evidenceAbove(theirs, limit), BASELINE_MOST);
  const ceiling = {
    detector: mine.trials === 0 ? detector : detect(detector, step, evidenceAbove(mine, limit)),
    grown: grow(grown, isNeutral(detector), { candidate: mine, baseline: theirs }, elapsedMs, at),
  };
  // What happened during a shared failure must not be held against the candidate when the failure is over.
  return isBreached(baseline)
    ? { ceiling: { ...ceiling, detector: emptied(ceiling.detector) }, baseline }
    : { ceiling, baseline };
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
    grown: grow(before.grown, isNeutral(before.detector), { candidate: raw, baseline: noise }, elapsedMs, at),
  };
}

function isNeutral(detector: Detector): boolean {
  return evidenceOf(detector) <= detector.spent;
}

/** What happened is counted from where the evidence began to grow. */
function grow(
  before: Grown,
  isNeutral: boolean,
  { candidate, baseline }: Pick<Grown, 'candidate' | 'baseline'>,
  ms: number,
  at: string,
): Grown {
  if (isNeutral) return { since: at, ms, candidate, baseline };
  return {
    since: before.since,
    ms: before.ms + ms,
    candidate: addHits(before.candidate, candidate),
    baseline: addHits(before.baseline, baseline),
  };
}

/** The part of the baseline's groups that failed in the last half minute. */
export function recentRate({ recent }: Evidence): number {
  return failingPart(recent.baseline.fast);
}

function latest(old: readonly string[], fresh: readonly string[]): readonly string[] {
  return fresh.length === 0 ? old : [...fresh, ...old].slice(0, EXAMPLES);
}
