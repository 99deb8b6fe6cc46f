// What a verdict says to a person, on the page and in a notification.
import type { Guards } from '../../policy/policy.ts';
import { FEWEST } from '../evidence/callers.ts';
import type { Hits } from '../evidence/tally.ts';
import type { RolloutState } from '../rollout/state.ts';
import { isNoWorse } from './promotion.ts';
import type { Question, Reading } from './reading.ts';
import { type Evidence, isByRates } from './weigh.ts';

type Asked = Pick<Question, 'candidate' | 'baseline' | 'guards' | 'probe'>;

/** What a guard saw: the numbers of both versions, since when, and the odds where they matter. */
export function readingText(reading: Reading, asked: Asked, evidence: Evidence): string {
  const { candidate, baseline, guards, probe } = asked;
  const since = reading.since === '' ? '' : ` since ${reading.since}`;
  const then = probe === undefined ? 'suspends it' : 'ends the rollout';
  const odds = `odds ${odd(reading.evidence)} to 1, ${odd(reading.needed)} ${then}`;
  const [mine, theirs] = [rate(reading.candidate), rate(reading.baseline)];
  const both = reading.is === 'shared' ? `; ${baseline} breaches it too, ${theirs}` : `; ${baseline} ${theirs}`;
  switch (reading.guard) {
    case 'errors_versus_baseline':
      return `${failedText(reading, asked, evidence)}${since}; ${times(guards?.versusBaseline)} is tolerated (${odds})`;
    case 'latency_versus_baseline':
      return `${candidate} is more than ${times(guards?.versusBaselineLatency)} as slow as ${baseline}: ${mine} beyond ${times(guards?.versusBaselineLatency)} its 99th percentile, ${baseline} ${theirs} beyond that percentile${since} (${odds})`;
    case 'error_rate':
      return `${candidate} failed ${mine}${since}, above the error_rate of ${percent(guards?.errorRate ?? 0)}${both} (${odds})`;
    case 'latency_p99':
      return `${candidate} took longer than ${guards?.latencyP99Ms} ms in ${mine}${since}, more than the 1 % that latency_p99 allows${both} (${odds})`;
    case 'disagreement':
      return `${candidate} disagreed with ${baseline} in ${mine}${since}, ${baseline} with itself in ${theirs}; ${percent(guards?.disagreement ?? 0)} above that is tolerated (${odds})`;
    case 'consecutive_failures':
      return `${candidate} failed ${mine} in the last seconds${reading.is === 'shared' ? `; ${baseline} fails too, ${theirs}` : `, ${baseline} ${theirs}`}`;
    case 'servers':
      return `the servers of ${candidate} do not answer: ${mine} in the last seconds${reading.is === 'shared' ? `; those of ${baseline} do not either` : ''}`;
    default:
      return reading.guard satisfies never;
  }
}

/** Errors, by whichever way of looking is the stronger: first failures of callers, or callers by their own rates. */
function failedText(
  { candidate: mine, baseline: theirs }: Reading,
  { candidate, baseline }: Asked,
  evidence: Evidence,
): string {
  const { strongest } = evidence.looks;
  if (strongest !== undefined && isByRates(evidence))
    return `the callers of ${candidate} see ${percent(strongest.candidate)} of their requests fail on average, those of ${baseline} ${percent(strongest.baseline)}`;
  return `${candidate} failed ${rate(mine)}, ${baseline} ${rate(theirs)}`;
}

/** What speaks for a candidate, or how far that is. */
export function comparedText({ promotion }: Evidence, { candidate, baseline, guards, isLast }: Question): string {
  if (guards === undefined) return `${candidate} has answered enough; nothing judges it`;
  if (!isLast) return `${candidate} has answered enough, and no guard speaks against it`;
  const errors = rate(promotion.counted);
  const tolerated = times(guards.versusBaseline);
  switch (isNoWorse(promotion, guards.errorRate)) {
    case 'compared':
      return `${candidate} is shown to fail less than ${tolerated} as often as ${baseline}: ${errors}`;
    case 'below ceiling':
      return `${candidate} failed ${errors}: too few errors to compare, and its rate is shown to be below the ceiling`;
    case 'not yet':
      return `${candidate} is not yet shown to fail less than ${tolerated} as often as ${baseline}: ${errors} (odds ${odd(Math.exp(promotion.log))} to 1, 20 are needed)`;
  }
}

/** For so long callers are counted before they are said to be few. */
const COUNTED_MS = 60_000;

/** How many callers are missing where too few ask to be compared by their own rates; undefined where there are enough. */
export function fewCallersText({ candidate, baseline, phase, inPhase, evidence }: RolloutState): string | undefined {
  const { crowd } = evidence;
  const wasProbed = phase.name === 'suspended' && phase.isHeld && phase.suspension.failedProbes > 0;
  const isTooSoon = !wasProbed && (phase.name === 'suspended' || inPhase.ms < COUNTED_MS);
  if (isTooSoon || (crowd.candidate >= FEWEST && crowd.baseline >= FEWEST)) return undefined;
  return `too few callers to compare: about ${groups(crowd.candidate)} of them ask ${candidate}, about ${crowd.baseline} ask ${baseline}, and ${FEWEST} of each are needed; until then the evidence rests on first failures and the breaker`;
}

function groups(count: number): string {
  return count === 1 ? '1 group' : `${count} groups`;
}

/** `v2 failed 3 of 120 (2.5 %)`: what a probe has seen of what a guard looks at. */
export function seenText(guard: Reading['guard'], seen: Hits, candidate: string): string {
  if (guard === 'latency_versus_baseline' || guard === 'latency_p99') return `${candidate} was slow in ${rate(seen)}`;
  return guard === 'disagreement' ? `${candidate} disagreed in ${rate(seen)}` : `${candidate} failed ${rate(seen)}`;
}

/** `12 of 60 (20 %)`. */
export function rate({ trials, hits }: Hits): string {
  const numbers = `${Math.round(hits).toLocaleString('en')} of ${Math.round(trials).toLocaleString('en')}`;
  return trials === 0 ? numbers : `${numbers} (${percent(hits / trials)})`;
}

function times(ratio: Guards['versusBaseline'] | undefined): string {
  return `${ratio}x`;
}

/** Odds with two digits; beyond a million no one needs the number. */
function odd(value: number): string {
  if (value > 1e6) return 'over a million';
  return value >= 10 ? Math.round(value).toLocaleString('en') : String(+value.toPrecision(2));
}

/** `3 %`, `0.25 %`: two digits. */
export function percent(part: number): string {
  return `${+(part * 100).toPrecision(2)} %`;
}

/** `30 s`, `4 min`. */
export function durationText(ms: number): string {
  return ms < 120_000 ? `${Math.max(0, Math.ceil(ms / 1000))} s` : `${Math.round(ms / 60_000)} min`;
}
