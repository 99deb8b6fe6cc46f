// One tick of evidence: what each guard makes of it.
import type { Guards } from '../policy/policy.ts';
import { evidenceAbove } from './absolute.ts';
import { type Breaker, breakerOf } from './breaker.ts';
import { riskOf } from './budget.ts';
import { type Detector, detect, emptied, evidenceOf, FRESH } from './detector.ts';
import { addComparisons, type Comparisons, evidenceOfExcess, NO_COMPARISONS } from './disagreement.ts';
import { QUANTILES } from './edges.ts';
import { addVectors } from './mixture.ts';
import { addEvidence, NO_PROMOTION, type Promotion } from './promotion.ts';
import { addRecent, isBreached, NO_RECENT, type Recent } from './shared-failure.ts';
import { addHits, EXAMPLES, type Hits, NOTHING, SILENCE, type Signal, type Tally } from './tally.ts';
import { evidenceVersus, hitsOf, strataOf } from './versus-baseline.ts';

/** What both arms did in one tick, on all gateways that are known. */
export type Traffic = { readonly candidate: Tally; readonly baseline: Tally };

/** A guard's evidence, and what has happened since it began to grow. Slowness has one entry an edge, the others one. */
export type Watch = {
  readonly detector: Detector;
  readonly since: string;
  readonly candidate: readonly Hits[];
  readonly baseline: readonly Hits[];
};

/** All that is known for and against a candidate. Plain numbers: it is stored and sent as JSON. */
export type Evidence = {
  readonly errors: Watch;
  readonly slow: Watch;
  readonly errorRate: Watch;
  readonly latency: Watch;
  readonly disagreement: Watch;
  /** The ceilings asked of the baseline: while it breaches one, that one says nothing about the candidate. */
  readonly baseline: { readonly errorRate: Detector; readonly latency: Detector; readonly recent: Recent };
  readonly breaker: Breaker;
  readonly promotion: Promotion;
  readonly comparisons: Comparisons;
  readonly examples: Tally['examples'];
};

const IDLE: Watch = { detector: FRESH, since: '', candidate: [], baseline: [] };

export const NO_EVIDENCE: Evidence = {
  errors: IDLE,
  slow: IDLE,
  errorRate: IDLE,
  latency: IDLE,
  disagreement: IDLE,
  baseline: { errorRate: FRESH, latency: FRESH, recent: NO_RECENT },
  breaker: 'closed',
  promotion: NO_PROMOTION,
  comparisons: NO_COMPARISONS,
  examples: { errors: [], slow: [] },
};

/** As far as the baseline's evidence is followed, so that it falls again soon after a shared failure. */
const BASELINE_MOST = 1e4;

/** The part of the answers that may be slower than a ceiling of the 99th percentile. */
export const OVER_P99 = 0.01;

export type Tick = {
  readonly traffic: Traffic;
  readonly comparisons: Comparisons;
  readonly guards: Guards;
  /** From 0. */
  readonly step: number;
  /** Wall-clock time, for people. */
  readonly at: string;
};

/** The evidence with one more tick. Comparisons reach the disagreement alone. */
export function weigh(evidence: Evidence, tick: Tick): Evidence {
  const { candidate, baseline } = tick.traffic;
  const { guards } = tick;
  const errorRate = weighCeiling(evidence.errorRate, evidence.baseline.errorRate, 'errors', guards.errorRate, tick);
  const overP99 = guards.latencyP99Ms === undefined ? undefined : OVER_P99;
  const recent = addRecent(evidence.baseline.recent, baseline);
  const latency = weighCeiling(evidence.latency, evidence.baseline.latency, 'over', overP99, tick);
  return {
    errors: weighErrors(evidence.errors, tick),
    slow: weighSlowness(evidence.slow, tick),
    errorRate: errorRate.watch,
    latency: latency.watch,
    disagreement: weighDisagreement(evidence, tick),
    baseline: { errorRate: errorRate.baseline, latency: latency.baseline, recent },
    breaker: breakerOf(evidence.breaker, candidate, baseline, recent, guards.consecutiveFailures),
    promotion: addEvidence(evidence.promotion, candidate.errors, baseline.errors, guards.versusBaseline),
    comparisons: addComparisons(evidence.comparisons, tick.comparisons),
    examples: {
      errors: latest(evidence.examples.errors, candidate.examples.errors),
      slow: latest(evidence.examples.slow, candidate.examples.slow),
    },
  };
}

function weighErrors(watch: Watch, { traffic, guards, step, at }: Tick): Watch {
  const { candidate, baseline } = { candidate: traffic.candidate.errors, baseline: traffic.baseline.errors };
  const logs = tells(candidate, baseline) ? evidenceVersus(candidate, baseline, guards.versusBaseline) : [];
  return follow(watch, step, logs, at, [candidate.counted], [baseline.counted]);
}

/** Like the errors, at every edge, servers of one class among themselves. The mean over the edges is one e-value again. */
function weighSlowness(watch: Watch, { traffic, guards, step, at }: Tick): Watch {
  const edges = QUANTILES.map((_, edge) =>
    (['cpu', 'gpu'] as const).map((kind) => ({
      candidate: traffic.candidate.slow[kind].signals[edge] ?? SILENCE,
      baseline: traffic.baseline.slow[kind].signals[edge] ?? SILENCE,
    })),
  );
  const canTell = edges.some((classes) => classes.some(({ candidate, baseline }) => tells(candidate, baseline)));
  const evidence = ({ candidate, baseline }: { candidate: Signal; baseline: Signal }) =>
    evidenceVersus(candidate, baseline, guards.versusBaseline);
  const logs = canTell ? edges.flatMap((classes) => classes.map(evidence).reduce(addVectors)) : [];
  const counted = (side: 'candidate' | 'baseline') =>
    edges.map((classes) => classes.map((each) => each[side].counted).reduce(addHits));
  return follow(watch, step, logs, at, counted('candidate'), counted('baseline'));
}

function weighCeiling(
  watch: Watch,
  before: Detector,
  signal: 'errors' | 'over',
  limit: number | undefined,
  { traffic, step, at }: Tick,
): { readonly watch: Watch; readonly baseline: Detector } {
  if (limit === undefined) return { watch, baseline: before };
  const [mine, theirs] = [traffic.candidate[signal].counted, traffic.baseline[signal].counted];
  const baseline = theirs.trials === 0 ? before : detect(before, step, evidenceAbove(theirs, limit), BASELINE_MOST);
  const followed = follow(watch, step, mine.trials === 0 ? [] : evidenceAbove(mine, limit), at, [mine], [theirs]);
  // What happened during a shared failure must not be held against the candidate when the failure is over.
  return isBreached(baseline)
    ? { watch: { ...followed, detector: emptied(followed.detector) }, baseline }
    : { watch: followed, baseline };
}

function weighDisagreement(evidence: Evidence, { comparisons: { raw, noise }, guards, step, at }: Tick): Watch {
  const { disagreement: watch, comparisons: before } = evidence;
  if (guards.disagreement === undefined) return watch;
  // Half of the risk is that the noise floor is higher than its bound, half that the evidence deceives.
  const logs = evidenceOfExcess(raw, before, guards.disagreement, riskOf('disagreement', guards) / 2);
  return follow(watch, step, logs, at, [raw], [noise]);
}

/** Takes a tick in, when it could tell something; what happened is counted from where the evidence began to grow. */
function follow(
  watch: Watch,
  step: number,
  logs: readonly number[],
  at: string,
  candidate: readonly Hits[],
  baseline: readonly Hits[],
): Watch {
  const { detector } = watch;
  const isNeutral = evidenceOf(detector) <= detector.spent;
  const [mine, theirs] = isNeutral ? [[], []] : [watch.candidate, watch.baseline];
  return {
    detector: logs.length === 0 ? detector : detect(detector, step, logs),
    since: isNeutral ? at : watch.since,
    candidate: candidate.map((hits, i) => addHits(hits, mine[i] ?? NOTHING)),
    baseline: baseline.map((hits, i) => addHits(hits, theirs[i] ?? NOTHING)),
  };
}

/** Without a hit on either side, or with one side alone, a tick says nothing, whatever the candidate is like. */
function tells(candidate: Signal, baseline: Signal): boolean {
  return strataOf(candidate, baseline).some((pair) => hitsOf(pair) > 0);
}

function latest(old: readonly string[], fresh: readonly string[]): readonly string[] {
  return fresh.length === 0 ? old : [...fresh, ...old].slice(0, EXAMPLES);
}
