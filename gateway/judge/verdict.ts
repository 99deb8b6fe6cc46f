import type { Guards } from '../policy/policy.ts';
import { riskOf, type WeighedGuard, weighedGuards } from './budget.ts';
import { evidenceOf } from './detector.ts';
import { excessOf } from './disagreement.ts';
import { isNoWorse } from './promotion.ts';
import { comparedText, percent, readingText } from './sentence.ts';
import { isBreached, isLive, mayBeShared } from './shared-failure.ts';
import { type Hits, NOTHING } from './tally.ts';
import { type Evidence, OVER_P99, type Watch } from './weigh.ts';

export type Guard = WeighedGuard | 'consecutive_failures';

/** What one guard has to say, with the numbers behind it. */
export type Reading = {
  readonly guard: Guard;
  /** `shared`: the baseline breaches the same limit, so the guard says nothing about the candidate. */
  readonly is: 'quiet' | 'doubtful' | 'raised' | 'shared';
  /** How many times likelier a bad candidate makes all that was seen than a good one; raised at `needed`. */
  readonly evidence: number;
  readonly needed: number;
  /** ISO time from which the evidence has been growing and the hits are counted. */
  readonly since: string;
  readonly candidate: Hits;
  readonly baseline: Hits;
  /** The edge that speaks loudest, from 0, where slowness is meant. */
  readonly edge: number | undefined;
};

/**
 * What is to be thought of a candidate: `fail` ends the rollout, `pass` lets it go on, `insufficient` and `error` hold.
 * `error` means that no one can tell: the baseline fails alike, or the numbers cannot be true.
 */
export type Verdict = {
  readonly kind: 'pass' | 'fail' | 'insufficient' | 'error';
  readonly guard: Guard | undefined;
  /** For a person: which guard, the numbers, since when. */
  readonly sentence: string;
  readonly readings: readonly Reading[];
  /** Ids of requests that show it. */
  readonly examples: readonly string[];
};

/** What a verdict is asked about. */
export type Question = {
  readonly candidate: string;
  readonly baseline: string;
  /** Undefined in a rollout that no one judges. */
  readonly guards: Guards | undefined;
  /** The candidate's requests in this step, and how many are asked for. */
  readonly requests: number;
  readonly minRequests: number;
  /** Whether the next step is the promotion. */
  readonly isLast: boolean;
  readonly maxDisagreement: number | undefined;
};

/** Evidence of this much against a candidate holds it where it is: odds of 20 to 1. */
const DOUBT = 20;

/** The verdict on the evidence as it stands. */
export function verdictOf(evidence: Evidence, question: Question): Verdict {
  const readings = question.guards === undefined ? [] : readingsOf(evidence, question.guards);
  const worst = (is: Reading['is']) => readings.find((reading) => reading.is === is);
  const [raised, shared, doubtful] = [worst('raised'), worst('shared'), worst('doubtful')];
  const about = (kind: Verdict['kind'], reading: Reading, lead = ''): Verdict => ({
    kind,
    guard: reading.guard,
    sentence: lead + readingText(reading, question),
    readings,
    examples: examplesFor(reading.guard, evidence),
  });
  if (raised !== undefined) return about('fail', raised);
  if (shared !== undefined) return about('error', shared, 'shared failure, no blame: ');
  if (doubtful !== undefined) return about('insufficient', doubtful, 'in doubt: ');
  const missing = missingFor(evidence, question);
  const verdict = { guard: undefined, readings, examples: [] };
  return missing === undefined
    ? { kind: 'pass', sentence: comparedText(evidence, question), ...verdict }
    : { kind: 'insufficient', sentence: missing, ...verdict };
}

/** A verdict on numbers that cannot be true. */
export function unsound(): Verdict {
  return {
    kind: 'error',
    guard: undefined,
    sentence: 'the counts of the last tick cannot be true',
    readings: [],
    examples: [],
  };
}

/** Every guard of the policy, the loudest first. */
function readingsOf(evidence: Evidence, guards: Guards): Reading[] {
  const weighed = weighedGuards(guards).map((guard) => readingOf(guard, evidence, guards));
  const loudness = ({ evidence: value, needed }: Reading) => Math.log(value) / Math.log(needed);
  return [breakerReading(evidence, guards), ...weighed.sort((a, b) => loudness(b) - loudness(a))];
}

function readingOf(guard: WeighedGuard, evidence: Evidence, guards: Guards): Reading {
  const watch = watchOf(guard, evidence);
  // Half of this guard's risk is spent on the noise floor.
  const needed = (guard === 'disagreement' ? 2 : 1) / riskOf(guard, guards);
  const edge = guard === 'latency_versus_baseline' ? loudestEdge(watch) : undefined;
  const reading = {
    guard,
    evidence: evidenceOf(watch.detector),
    needed,
    since: watch.since,
    candidate: watch.candidate[edge ?? 0] ?? NOTHING,
    baseline: watch.baseline[edge ?? 0] ?? NOTHING,
    edge,
  };
  return { ...reading, is: standingOf(reading, evidence, guards) };
}

function standingOf(reading: Omit<Reading, 'is'>, { baseline }: Evidence, guards: Guards): Reading['is'] {
  const { guard, candidate, evidence, needed } = reading;
  const isCeiling = guard === 'error_rate' || guard === 'latency_p99';
  const [detector, recent, limit] =
    guard === 'error_rate'
      ? [baseline.errorRate, baseline.recent.errors, guards.errorRate ?? 1]
      : [baseline.latency, baseline.recent.over, OVER_P99];
  if (isCeiling && isBreached(detector)) return 'shared';
  if (evidence < needed) return evidence >= DOUBT ? 'doubtful' : 'quiet';
  const isCompared = isCeiling && isLive(baseline.recent);
  return isCompared && mayBeShared(candidate, reading.baseline, recent, limit) ? 'doubtful' : 'raised';
}

function watchOf(guard: WeighedGuard, evidence: Evidence): Watch {
  switch (guard) {
    case 'errors_versus_baseline':
      return evidence.errors;
    case 'latency_versus_baseline':
      return evidence.slow;
    case 'error_rate':
      return evidence.errorRate;
    case 'latency_p99':
      return evidence.latency;
    case 'disagreement':
      return evidence.disagreement;
    default:
      return guard satisfies never;
  }
}

const BREAKER_IS = { closed: 'quiet', waiting: 'doubtful', open: 'raised', shared: 'shared' } as const;

function breakerReading({ breaker, errors }: Evidence, { consecutiveFailures }: Guards): Reading {
  return {
    guard: 'consecutive_failures',
    is: BREAKER_IS[breaker],
    evidence: breaker === 'closed' ? 0 : 1,
    needed: 1,
    since: errors.since,
    candidate: { trials: consecutiveFailures, hits: breaker === 'closed' ? 0 : consecutiveFailures },
    baseline: NOTHING,
    edge: undefined,
  };
}

function loudestEdge({ detector: { values }, candidate }: Watch): number {
  const perEdge = values.length / Math.max(1, candidate.length);
  return values.length === 0 ? 0 : Math.floor(values.indexOf(Math.max(...values)) / perEdge);
}

/** What the step still needs before it may be left; undefined when nothing. */
function missingFor(evidence: Evidence, question: Question): string | undefined {
  const { requests, minRequests, candidate, isLast, guards, maxDisagreement } = question;
  if (requests < minRequests)
    return `${candidate} has answered ${requests} of the ${minRequests} requests that this step asks for`;
  if (!isLast) return undefined;
  const excess = excessOf(evidence.comparisons);
  if (maxDisagreement !== undefined && (excess === undefined || excess > maxDisagreement)) {
    if (excess === undefined) return `${candidate} has not been compared yet, and max_disagreement asks for it`;
    return `${candidate} disagrees ${percent(excess)} more often than the noise floor; max_disagreement is ${percent(maxDisagreement)}`;
  }
  if (guards === undefined || isNoWorse(evidence.promotion, guards.errorRate) !== 'not yet') return undefined;
  return comparedText(evidence, question);
}

function examplesFor(guard: Guard, { examples }: Evidence): readonly string[] {
  return guard === 'latency_p99' || guard === 'latency_versus_baseline'
    ? examples.slow
    : guard === 'disagreement'
      ? []
      : examples.errors;
}
