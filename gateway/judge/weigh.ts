// One tick of evidence: what each guard makes of it.
import type { Guards } from '../policy/policy.ts';
import { evidenceAbove } from './absolute.ts';
import { type Breaker, breakerOf } from './breaker.ts';
import { riskOf } from './budget.ts';
import { type Crowd, type Look, NO_CROWD, partOfLook } from './callers.ts';
import { logsAt } from './coin.ts';
import { type Detector, detect, emptied, evidenceOf, FRESH } from './detector.ts';
import { addComparisons, type Comparisons, evidenceOfExcess, NO_COMPARISONS } from './disagreement.ts';
import { allOf, countOf, EDGES, FAILED, type FirstHits, OVER, SLOW } from './first-hits.ts';
import { addEvidence, NO_PROMOTION, type Promotion } from './promotion.ts';
import { addRecent, failingPart, NO_RECENT, type Recent } from './recent.ts';
import {
  addLogs,
  BLOCK_MOST,
  BLOCK_MS,
  beginRuns,
  type Clock,
  closeBlock,
  closeRuns,
  evidenceIn,
  FAMILIES,
  NEW_CLOCK,
  NO_ODDS,
  type Odds,
  passTime,
  sumOf,
} from './runs.ts';
import { isBreached } from './shared-failure.ts';
import { addHits, EXAMPLES, type Hits, NOTHING, type ServerClass, type Tally, type Traffic } from './tally.ts';

/** A guard's evidence, and what has happened since it began to grow. */
export type Grown = {
  readonly since: string;
  /** Milliseconds since then. */
  readonly ms: number;
  /** Blocks of a few seconds in which the candidate was hit; of a ceiling, ticks; of comparisons, single hits. */
  readonly occasions: number;
  /** All requests, and those that were hit. */
  readonly candidate: Hits;
  readonly baseline: Hits;
};

/** Evidence by first hits. Slowness has odds for each edge, errors one. */
export type Compared = {
  readonly odds: readonly Odds[];
  readonly value: number;
  readonly grown: Grown;
  /** Whether the candidate was hit in the block under way. */
  readonly isBlockHit: boolean;
};

/** A ceiling's evidence. */
export type Ceiling = { readonly detector: Detector; readonly grown: Grown };

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

const NOT_GROWN: Grown = { since: '', ms: 0, occasions: 0, candidate: NOTHING, baseline: NOTHING };
const NO_CEILING: Ceiling = { detector: FRESH, grown: NOT_GROWN };

export const NO_EVIDENCE: Evidence = {
  clock: NEW_CLOCK,
  errors: { odds: [NO_ODDS], value: 0, grown: NOT_GROWN, isBlockHit: false },
  slow: { odds: new Array(EDGES).fill(NO_ODDS), value: 0, grown: NOT_GROWN, isBlockHit: false },
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

/** As far as the baseline's evidence is followed, so that it falls again soon after a shared failure. */
const BASELINE_MOST = 1e4;

/** The part of the answers that may be slower than a ceiling of the 99th percentile. */
export const OVER_P99 = 0.01;

export type Tick = {
  readonly traffic: Traffic;
  readonly hits: FirstHits;
  readonly looks: readonly Look[];
  readonly crowd: Crowd;
  readonly comparisons: Comparisons;
  readonly guards: Guards;
  /** From 0. */
  readonly step: number;
  readonly elapsedMs: number;
  /** Failing units that were found to be no fault of the candidate. */
  readonly excusedUnits: number;
  readonly isServed: boolean;
  /** Whether a burst may be worth little only: in a probe, and after a suspension that was nothing. */
  readonly isBounded: boolean;
  /** Wall-clock time, for people. */
  readonly at: string;
};

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
const PARTS = { first: 0.8, rates: 0.2 } as const;

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
  const close = (compared: Compared): Compared => {
    const odds = compared.odds.map((each) => closeBlock(closeRuns(each, before, clock, isBounded), isBounded));
    return { ...compared, odds, value: meanEvidence(odds, clock, isBounded), isBlockHit: false };
  };
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

/** Answers whose latency counts, and those of them beyond the upper edge. */
export function slowOf({ traffic, hits }: Pick<Tick, 'traffic' | 'hits'>, side: 'candidate' | 'baseline'): Hits {
  return timedOf({ traffic, hits }, side, SLOW + EDGES - 1);
}

/** Answers whose latency counts, and those of them beyond the policy's ceiling. */
export function overOf({ traffic, hits }: Pick<Tick, 'traffic' | 'hits'>, side: 'candidate' | 'baseline'): Hits {
  return timedOf({ traffic, hits }, side, OVER);
}

function timedOf(
  { traffic, hits }: Pick<Tick, 'traffic' | 'hits'>,
  side: 'candidate' | 'baseline',
  signal: number,
): Hits {
  const { cpu, gpu } = traffic[side].timed;
  return { trials: cpu + gpu, hits: Math.min(cpu + gpu, allOf(hits, signal, side === 'candidate' ? 0 : 1)) };
}

const SLOWNESS = Array.from({ length: EDGES }, (_, edge) => SLOW + edge);

/** First hits of this minute: the shortest run, in which no one is counted twice. */
function firstInRun(hits: FirstHits, signal: number, arm: 0 | 1): number {
  return countOf(hits, signal, 0, arm);
}

function weighHits(
  before: Compared,
  clock: Clock,
  { traffic, hits, elapsedMs, at, isBounded }: Tick,
  signals: readonly number[],
  tolerated: number,
  seen: Increase,
): Compared {
  const isHit = seen.occasions > 0;
  const occasions = isHit && !before.isBlockHit ? 1 : 0;
  const grown = grow(before.grown, before.value < 1, { ...seen, occasions }, elapsedMs, at);
  if (hits.counts.length === 0 || traffic.coin === 0) return { ...before, grown };
  const odds = signals.map((signal, i) => addLogs(before.odds[i] ?? NO_ODDS, logsOf(traffic, hits, signal, tolerated)));
  return { odds, value: meanEvidence(odds, clock, isBounded), grown, isBlockHit: before.isBlockHit || isHit };
}

/** The mean over edges is one e-value again. */
function meanEvidence(odds: readonly Odds[], clock: Clock, isBounded: boolean): number {
  return odds.reduce((sum, each) => sum + evidenceIn(each, clock, isBounded), 0) / odds.length;
}

/** Log ratios of the first hits of a signal by family of runs; none where there were no hits. */
function logsOf(traffic: Traffic, hits: FirstHits, signal: number, tolerated: number): (readonly number[])[] {
  if (signal === FAILED) return byFamily(hits, signal, undefined, traffic.coin, tolerated);
  // Versions may use classes of servers differently: only that part of the callers' requests can be slow there.
  const [cpu, gpu] = (['cpu', 'gpu'] as const).map((kind) =>
    byFamily(hits, signal, kind, coinAt(traffic, kind), tolerated),
  ) as [(readonly number[])[], (readonly number[])[]];
  return cpu.map((logs, family) => sumOf(logs, gpu[family] ?? []));
}

function byFamily(
  hits: FirstHits,
  signal: number,
  kind: ServerClass | undefined,
  coin: number,
  tolerated: number,
): (readonly number[])[] {
  // Where one arm alone is there is nothing to compare with.
  const logs = coin === 0 || coin === 1 ? undefined : logsAt(coin, tolerated);
  let known: { readonly mine: number; readonly theirs: number; readonly logs: readonly number[] } | undefined;
  return FAMILIES.map((_, family) => {
    const [mine, theirs] = [countOf(hits, signal, family, 0, kind), countOf(hits, signal, family, 1, kind)];
    if (mine + theirs === 0 || logs === undefined) return NOTHING_SEEN;
    // Most units are as new in one family as in another.
    if (known?.mine !== mine || known.theirs !== theirs) known = { mine, theirs, logs: logs(mine, mine + theirs) };
    return known.logs;
  });
}

const NOTHING_SEEN: readonly number[] = [];

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

/** All requests, each unit's up to its first hit of the minute: a rate in requests, as people think of it. */
function countedOf({ traffic, hits }: Tick, side: 'candidate' | 'baseline', signal: number): Hits {
  const { judged, timed } = traffic[side];
  const first = firstInRun(hits, signal, side === 'candidate' ? 0 : 1);
  const isFailure = signal === FAILED;
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
  const { step, elapsedMs, at, isBounded } = tick;
  const occasions = mine.hits > 0 ? 1 : 0;
  const logs = evidenceAbove(mine, limit);
  const baseline = theirs.trials === 0 ? before : detect(before, step, evidenceAbove(theirs, limit), BASELINE_MOST);
  const ceiling = {
    detector: mine.trials === 0 ? detector : detect(detector, step, isBounded ? boundedLogs(logs, elapsedMs) : logs),
    grown: grow(grown, isNeutral(detector), { occasions, candidate: mine, baseline: theirs }, elapsedMs, at),
  };
  // What happened during a shared failure must not be held against the candidate when the failure is over.
  return isBreached(baseline)
    ? { ceiling: { ...ceiling, detector: emptied(ceiling.detector) }, baseline }
    : { ceiling, baseline };
}

/** A burst within a few seconds is worth no more against a ceiling than against the baseline. */
function boundedLogs(logs: readonly number[], ms: number): number[] {
  return logs.map((log) => Math.min(log, (BLOCK_MOST * ms) / BLOCK_MS));
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

function isNeutral(detector: Detector): boolean {
  return evidenceOf(detector) <= detector.spent;
}

type Increase = Pick<Grown, 'occasions' | 'candidate' | 'baseline'>;

/** What happened is counted from where the evidence began to grow. */
function grow(
  before: Grown,
  isNeutral: boolean,
  { occasions, candidate, baseline }: Increase,
  ms: number,
  at: string,
): Grown {
  if (isNeutral) return { since: at, ms, occasions, candidate, baseline };
  return {
    since: before.since,
    ms: before.ms + ms,
    occasions: before.occasions + occasions,
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
