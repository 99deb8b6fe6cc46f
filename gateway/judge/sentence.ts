// The sentences that people read in the log, on the page and in a notification.
import type { Guards } from '../policy/policy.ts';
import { isNoWorse } from './promotion.ts';
import type { Hits } from './tally.ts';
import type { Question, Reading } from './verdict.ts';
import type { Evidence } from './weigh.ts';

const EDGES = ['median', '90th percentile', '95th percentile', '99th percentile', '99.9th percentile'];

/** What a guard saw: the numbers of both versions, since when, and the odds where they matter. */
export function readingText(reading: Reading, { candidate, baseline, guards }: Question): string {
  const since = reading.since === '' ? '' : ` since ${reading.since}`;
  const odds = `odds ${odd(reading.evidence)} to 1, ${odd(reading.needed)} ends the rollout`;
  const [mine, theirs] = [rate(reading.candidate), rate(reading.baseline)];
  const both = reading.is === 'shared' ? `; ${baseline} breaches it too, ${theirs}` : `; ${baseline} ${theirs}`;
  switch (reading.guard) {
    case 'errors_versus_baseline':
      return `${candidate} failed ${mine}, ${baseline} ${theirs}${since}; ${times(guards)} is tolerated (${odds})`;
    case 'latency_versus_baseline':
      return `${candidate} was slower than the ${EDGES[reading.edge ?? 0]} of ${baseline} in ${mine}, ${baseline} in ${theirs}${since}; ${times(guards)} is tolerated (${odds})`;
    case 'error_rate':
      return `${candidate} failed ${mine}${since}, above the error_rate of ${percent(guards?.errorRate ?? 0)}${both} (${odds})`;
    case 'latency_p99':
      return `${candidate} took longer than ${guards?.latencyP99Ms} ms in ${mine}${since}, more than the 1 % that latency_p99 allows${both} (${odds})`;
    case 'disagreement':
      return `${candidate} disagreed with ${baseline} in ${mine}${since}, ${baseline} with itself in ${theirs}; ${percent(guards?.disagreement ?? 0)} above that is tolerated (${odds})`;
    case 'consecutive_failures': {
      const alike = reading.is === 'shared' ? `; ${baseline} fails too` : '';
      return `${candidate} failed ${reading.candidate.hits} requests in a row${alike}`;
    }
    default:
      return reading.guard satisfies never;
  }
}

/** What speaks for a candidate, or how far that is. */
export function comparedText({ promotion }: Evidence, { candidate, baseline, guards, isLast }: Question): string {
  if (guards === undefined) return `${candidate} has answered enough; nothing judges it`;
  if (!isLast) return `${candidate} has answered enough, and no guard speaks against it`;
  const errors = rate(promotion.counted);
  switch (isNoWorse(promotion, guards.errorRate)) {
    case 'compared':
      return `${candidate} is shown to fail less than ${times(guards)} as often as ${baseline}: ${errors}`;
    case 'below ceiling':
      return `${candidate} failed ${errors}: too few errors to compare, and its rate is shown to be below the ceiling`;
    case 'not yet':
      return `${candidate} is not yet shown to fail less than ${times(guards)} as often as ${baseline}: ${errors} (odds ${odd(Math.exp(promotion.log))} to 1, 20 are needed)`;
  }
}

/** `12 of 60 (20 %)`. */
function rate({ trials, hits }: Hits): string {
  const numbers = `${Math.round(hits).toLocaleString('en')} of ${Math.round(trials).toLocaleString('en')}`;
  return trials === 0 ? numbers : `${numbers} (${percent(hits / trials)})`;
}

function times(guards: Guards | undefined): string {
  return `${guards?.versusBaseline}x`;
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
