// What watches a candidate, in words: what suspends it, what asks it again, and what ends its rollout.
import { MOST_PROBES } from '../../judge/rollout/probe.ts';
import { WARM_UP_MS } from '../../judge/rollout/suspended.ts';
import { countedText, durationText, shareText } from '../text/amounts.ts';
import { table } from '../text/table.ts';
import type { GuardsPlan, RolloutPlan } from './plan.ts';

/** The lines of one rollout in the plan. */
export function guardsText({ candidate, baseline, warm_up, guards }: RolloutPlan): string {
  const warm =
    warm_up === 0
      ? `  ${candidate} gets its first callers without a warm-up`
      : [
          `  before the first callers each server of ${candidate} answers copies of ${countedText(warm_up, 'real request')}, within ${durationText(WARM_UP_MS)}`,
          `  while nobody asks ${baseline}, as at a first start, there is nothing to copy: ${candidate} begins without a warm-up`,
        ].join('\n');
  if (guards === null)
    return `${warm}\n  nothing watches ${candidate}: without the key \`rollback\` only a person takes it out of service`;
  return [
    warm,
    `  ${leadText(guards, candidate, baseline)}`,
    table(rowsOf(guards, baseline)),
    ...endLines(guards, candidate),
  ].join('\n');
}

function leadText({ action }: GuardsPlan, candidate: string, baseline: string): string {
  switch (action) {
    case 'rollback':
      return `suspended, all its callers on ${baseline} at once, when ${candidate}`;
    case 'freeze':
      return `held where it is, its callers on ${candidate}, when ${candidate}`;
    case 'dry_run':
      return `only reported, nothing moves, when ${candidate}`;
    default:
      return action satisfies never;
  }
}

function rowsOf(guards: GuardsPlan, baseline: string): string[][] {
  const { error_rate, latency_p99_ms, disagreement } = guards;
  const ceiling = error_rate === null ? '' : `, or more often than ${shareText(error_rate)}`;
  const slow =
    latency_p99_ms === null ? '' : `, or slower than ${durationText(latency_p99_ms)} in more than 1 % of its answers`;
  return [
    ['  fails', `more than ${guards.errors_versus_baseline}x as often as ${baseline} at the same time${ceiling}`],
    ['  is slow', `more than ${guards.latency_versus_baseline}x as slow as ${baseline}${slow}`],
    [
      '  breaks',
      `in ${guards.consecutive_failures} requests in a row over two seconds or more, or in more than 12 % of them within half a minute`,
    ],
    ['  is away', `and the servers of ${baseline} are well`],
    ...(disagreement === null
      ? []
      : [
          [
            '  differs',
            `from ${baseline} in ${shareText(disagreement)} more of the compared pairs than ${baseline} from itself`,
          ],
        ]),
  ];
}

function endLines({ action, pause_ms, false_alarm }: GuardsPlan, candidate: string): string[] {
  if (action !== 'rollback') return [];
  return [
    `  ${durationText(pause_ms)} later a probe: other callers, half of the step's share (1 % to 10 % of all), ask ${candidate} again`,
    `  the rollout ends when the evidence recurs; else ${candidate} gets its callers back`,
    `  after ${MOST_PROBES} probes that found the same without enough evidence a person decides`,
    `  chance that a good candidate is ever ended by this: at most ${shareText(false_alarm)}`,
  ];
}
