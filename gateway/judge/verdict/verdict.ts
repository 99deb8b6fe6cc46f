import type { Guards } from '../../policy/policy.ts';
import { excessOf } from '../evidence/disagreement.ts';
import type { Grown } from '../evidence/grown.ts';
import { isLive } from '../evidence/recent.ts';
import { neededToEnd, neededToSuspend, type WeighedGuard, weighedGuards } from './budget.ts';
import { evidenceOf } from './detector.ts';
import { isNoWorse } from './promotion.ts';
import type { Guard, Question, Reading, Verdict } from './reading.ts';
import { comparedText, percent, readingText } from './sentence.ts';
import { isBreached, mayBeShared } from './shared-failure.ts';
import { type Evidence, errorEvidence, OVER_P99, recentRate } from './weigh.ts';

/** Evidence of this much against a candidate keeps it from its next step. */
const DOUBT = 20;
/** The least number of occasions with failures that end a rollout: one pause of one server is one of them. */
export const OCCASIONS = 3;

/** The verdict on the evidence as it stands. */
export function verdictOf(evidence: Evidence, question: Question): Verdict {
  const readings = question.guards === undefined ? [] : readingsOf(evidence, question.guards, question);
  const worst = (is: Reading['is']) => readings.find((reading) => reading.is === is);
  const [raised, shared, doubtful] = [worst('raised'), worst('shared'), worst('doubtful')];
  const about = (kind: Verdict['kind'], reading: Reading, lead = ''): Verdict => ({
    kind,
    guard: reading.guard,
    sentence: lead + readingText(reading, question, evidence),
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

/** A verdict without readings: on numbers that cannot be true, or while no one asks the candidate. */
export function plainVerdict(kind: 'error' | 'insufficient', sentence: string): Verdict {
  return { kind, guard: undefined, sentence, readings: [], examples: [] };
}

/** Every guard of the policy, the loudest first. */
function readingsOf(evidence: Evidence, guards: Guards, question: Question): Reading[] {
  const weighed = weighedGuards(guards).map((guard) => readingOf(guard, evidence, guards, question));
  const loudness = ({ evidence: value, needed }: Reading) => Math.log(value) / Math.log(needed);
  return [breakerReading(evidence, question), ...weighed.sort((a, b) => loudness(b) - loudness(a))];
}

function readingOf(guard: WeighedGuard, evidence: Evidence, guards: Guards, { probe, acquittals }: Question): Reading {
  const { value, grown } = grownOf(guard, evidence);
  const needed = probe === undefined ? neededToSuspend(acquittals) : neededToEnd(guard, guards, probe);
  const reading = {
    guard,
    evidence: value,
    // Half of this guard's risk is spent on the noise floor.
    needed: guard === 'disagreement' ? 2 * needed : needed,
    since: grown.since,
    grewMs: grown.ms,
    candidate: grown.candidate,
    baseline: grown.baseline,
  };
  return { ...reading, is: loudnessOf(reading, evidence, guards, probe === undefined ? undefined : grown.occasions) };
}

/** `occasions` is how often the candidate was hit in a probe; undefined outside one. */
function loudnessOf(
  reading: Omit<Reading, 'is'>,
  evidence: Evidence,
  guards: Guards,
  occasions: number | undefined,
): Reading['is'] {
  const { guard, candidate, evidence: value, needed } = reading;
  const isCeiling = guard === 'error_rate' || guard === 'latency_p99';
  const detector = guard === 'error_rate' ? evidence.baseline.errorRate : evidence.baseline.latency;
  if (isCeiling && isBreached(detector)) return 'shared';
  if (!(value >= needed)) return value >= DOUBT ? 'doubtful' : 'quiet';
  if (occasions !== undefined && occasions < OCCASIONS) return 'doubtful';
  if (!isCeiling || !isLive(evidence.recent)) return 'raised';
  const recent = guard === 'error_rate' ? recentRate(evidence) : 0;
  const limit = guard === 'error_rate' ? (guards.errorRate ?? 1) : OVER_P99;
  return mayBeShared(candidate, reading.baseline, recent, limit) ? 'doubtful' : 'raised';
}

function grownOf(guard: WeighedGuard, evidence: Evidence): { value: number; grown: Grown } {
  switch (guard) {
    case 'errors_versus_baseline':
      return { value: errorEvidence(evidence), grown: evidence.errors.grown };
    case 'latency_versus_baseline':
      return { value: evidence.slow.value, grown: evidence.slow.grown };
    case 'error_rate':
      return { value: evidenceOf(evidence.errorRate.detector), grown: evidence.errorRate.grown };
    case 'latency_p99':
      return { value: evidenceOf(evidence.latency.detector), grown: evidence.latency.grown };
    case 'disagreement':
      return { value: evidenceOf(evidence.disagreement.detector), grown: evidence.disagreement.grown };
    default:
      return guard satisfies never;
  }
}

/** The breaker suspends; it never ends a rollout by itself. */
function breakerReading({ breaker, recent, errors }: Evidence, { probe }: Question): Reading {
  const isOpen = breaker === 'open' || breaker === 'servers';
  const { slow } = recent.candidate;
  const hits = breaker === 'servers' ? slow.serverFaults + slow.failed : slow.failed;
  const trials = slow.requests + slow.serverFaults;
  return {
    guard: breaker === 'servers' ? 'servers' : 'consecutive_failures',
    is: breaker === 'shared' ? 'shared' : isOpen ? (probe === undefined ? 'raised' : 'doubtful') : 'quiet',
    evidence: breaker === 'closed' ? 0 : 1,
    needed: 1,
    since: errors.grown.since,
    grewMs: 0,
    candidate: { trials: Math.round(trials), hits: Math.round(hits) },
    baseline: { trials: Math.round(recent.baseline.slow.requests), hits: Math.round(recent.baseline.slow.failed) },
  };
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
