import type { Interval, Replay, Way } from '../../tune/replay.ts';
import { countText } from '../text/amounts.ts';
import { table } from '../text/table.ts';
import type { Gathered } from './trials.ts';

const COSTS = {
  measured: 'the inference time that the servers measured',
  policy: "the policy's `costs`",
  none: 'unknown: the policy gives no `costs`',
} as const;

/** A replay for people: a row for each way of answering, and what stands out. */
export function replayText(replay: Replay, { source, costs, notes, trials }: Gathered): string {
  const quality = replay.target === 'labels' ? 'right' : 'agrees with last';
  const head = ['way', quality, '95 %', 'minus last, points', 'cost', '95 %', 'mean ms', 'p99 ms', 'answered by'];
  const ways = [...replay.singles, ...replay.pairs, ...replay.ladders, replay.oracle];
  return [
    `Inputs: ${countText(replay.inputs)}, from ${source}`,
    ...notes.map((note) => `! ${note}`),
    `Cost is ${COSTS[costs]}, as a part of always asking the last tier.${eachText(trials, costs)}`,
    '',
    table([head, ...ways.map(row)]),
    ...(replay.pairs.length === 0
      ? []
      : [
          '',
          'A pair has the lowest threshold that lost at most 0.5 points on the first half of the inputs; its figures are those of the second half.',
        ]),
    ...(trials.every(({ start }) => start !== undefined)
      ? []
      : ["Logged pairs do not hold the requests: every input starts at the tier of the policy's last rule."]),
    ...(replay.target === 'labels'
      ? []
      : ['No labels are known: the last tier counts as right, so nothing can be better than it.']),
    ...replay.beaten.map(({ ladder, by }) => `! ${by} alone is as good as ${ladder} and costs no more.`),
  ].join('\n');
}

/** What an answer of each tier costs on average: what the policy's `costs` may say. */
function eachText(trials: Gathered['trials'], costs: Gathered['costs']): string {
  if (costs !== 'measured') return '';
  const means = [...(trials[0]?.tiers.keys() ?? [])].map((tier) => {
    const sum = trials.reduce((all, trial) => all + (trial.tiers.get(tier)?.cost ?? 0), 0);
    return `${tier} ${(sum / trials.length).toPrecision(2)}`;
  });
  return ` An answer took, in ms: ${means.join(', ')}.`;
}

function row({ name, quality, difference, cost, meanMs, p99Ms, shares }: Way): string[] {
  return [
    name,
    percent(quality.is),
    range(quality, 1),
    `${(100 * difference.is).toFixed(2)} (${(100 * difference.low).toFixed(2)} to ${(100 * difference.high).toFixed(2)})`,
    cost === undefined ? '-' : percent(cost.is, 1),
    cost === undefined ? '' : range(cost, 1),
    meanMs.toFixed(2),
    p99Ms.toFixed(2),
    [...shares].map(([tier, share]) => `${tier} ${percent(share, 1)}`).join(', '),
  ];
}

function range({ low, high }: Interval, digits: number): string {
  return `${(100 * low).toFixed(digits)} to ${(100 * high).toFixed(digits)}`;
}

function percent(part: number, digits = 2): string {
  return `${(100 * part).toFixed(digits)} %`;
}
