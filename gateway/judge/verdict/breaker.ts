// The breaker looks at requests and needs no evidence: it only suspends, and that can be undone. It sees what evidence by unit
// cannot: a candidate whose few callers fail again and again.
import { failingPart, isLive, type Recent, unansweredPart } from '../evidence/recent.ts';

/**
 * What the breaker makes of the last seconds. `open`: the candidate fails; `shared`: the baseline does too, so it says nothing
 * about the candidate; `servers`: not the model fails, its servers do.
 */
export type Breaker = 'closed' | 'open' | 'shared' | 'servers';

export type BreakerInput = {
  readonly recent: Recent;
  /** Requests in a row, from the policy. */
  readonly consecutiveFailures: number;
  /** Units of the candidate that failed in the last 30 s. */
  readonly failingUnits: number;
  /** Groups of units that have asked the candidate since the run began. */
  readonly crowd: number;
  /** How many failing units were found to be no fault of the candidate before. */
  readonly excusedUnits: number;
  /** Whether some server can answer for the candidate. */
  readonly isServed: boolean;
};

/** Seconds for which all requests fail. */
const SECONDS = 2;
/** Else: this part of the last half minute's requests failed, and this part of the groups that asked saw a failure. */
const OFTEN = 0.12;
/** At least this number of groups saw a failure. */
const ENOUGH = 5;
/** How many times as often as the baseline. */
const TIMES = 4;
/** Servers that leave this part of the requests, and at least this number within a few seconds, without an answer. */
const UNANSWERED = 0.5;
const UNANSWERED_REQUESTS = 5;
/** A baseline that itself fails this often has trouble of its own. */
const BASELINE_FAILS = 0.05;
/** A baseline that fails at least this part as often as the candidate has the same trouble. */
const ALIKE = 0.25;

/** Whether the candidate's callers should be with the baseline for now. */
export function breakerOf(input: BreakerInput): Breaker {
  const { recent, isServed } = input;
  const servers = areServersFailing(recent, isServed);
  if (!servers && !isFailing(input)) return 'closed';
  if (isAlike(recent)) return 'shared';
  return servers ? 'servers' : 'open';
}

function areServersFailing({ candidate }: Recent, isServed: boolean): boolean {
  const { fast } = candidate;
  if (fast.serverFaults >= UNANSWERED_REQUESTS && unansweredPart(fast) >= UNANSWERED) return true;
  return !isServed && fast.failing + fast.serverFaults >= 1;
}

function isFailing({ recent, consecutiveFailures, failingUnits, excusedUnits, crowd }: BreakerInput): boolean {
  if (failingUnits <= 2 * excusedUnits) return false;
  const { allFailed, candidate, baseline } = recent;
  if (allFailed.seconds >= SECONDS && allFailed.requests >= consecutiveFailures) return true;
  // One caller of many who tries again for half a minute is one caller.
  if (failingUnits < OFTEN * crowd) return false;
  const { slow } = candidate;
  const floor = isLive(recent) ? oftenFailing(baseline.slow, 1) : 0;
  return slow.failing >= ENOUGH && oftenFailing(slow, 0) >= Math.max(OFTEN, TIMES * floor);
}

/**
 * How often requests fail, by request and by group and second, whichever is less: a caller who asks a hundred times a second
 * fails in most seconds, and one who retries in most requests. `spare` is added, for an arm that has seen little.
 */
function oftenFailing({ active, failing, requests, failed }: Recent['candidate']['slow'], spare: number): number {
  const part = (hits: number, trials: number) => (hits + spare / 2) / Math.max(1, trials + spare);
  return Math.min(part(failing, active), part(failed, requests));
}

/** Whether the baseline shows the same trouble at the same time. */
function isAlike(recent: Recent): boolean {
  if (!isLive(recent)) return false;
  const [mine, theirs] = [troubleOf(recent.candidate.fast), troubleOf(recent.baseline.fast)];
  return theirs >= Math.max(BASELINE_FAILS, ALIKE * mine);
}

function troubleOf(fast: Recent['candidate']['fast']): number {
  return Math.max(failingPart(fast), unansweredPart(fast));
}
