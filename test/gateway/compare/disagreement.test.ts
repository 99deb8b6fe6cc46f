// What a disagreement is has one meaning: for the judge, the summary, the noise floor, the chart and the dashboard.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { summaryText } from '../../../gateway/cli/ask/comparisons-text.ts';
import { compare } from '../../../gateway/compare/compare.ts';
import { COMPARISON_KINDS } from '../../../gateway/compare/comparison.ts';
import { DISAGREEMENTS, disagreementIn, disagrees, isCompared } from '../../../gateway/compare/disagreement.ts';
import { summarise } from '../../../gateway/compare/summary.ts';
import { tally } from '../../../gateway/compare/tally.ts';
import type { Side } from '../../../gateway/flow.ts';
import { pair, probabilities, side, v2 } from './answers.ts';

const SPEC = { as: 'classification', output: 'probabilities' } as const;
const GOOD = side(v2(probabilities(0.1, 0.9)));
const OTHER_SHAPE = side(v2(probabilities(0.1, 0.2, 0.7)));
const TOO_LARGE = side(gzipSync(' '.repeat(5 * 1024 * 1024)), { encoding: 'gzip' });

/** The sums of these pairs, with the baseline's second answer where there is one. */
function sumsOf(pairs: readonly (readonly [candidate: Side, again?: Side])[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [candidate, again] of pairs)
    tally(compare({ ...pair(GOOD, candidate), ...(again && { noise: again }), slices: { team: 'a' } }, SPEC), sums);
  return sums;
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

const judged = (sums: ReadonlyMap<string, number>) => disagreementIn((kind) => sums.get(`kind/${kind}`) ?? 0);

test('a candidate that answers another shape ten times of ten disagrees ten times, for the judge and for people', () => {
  const sums = sumsOf(times(10, [OTHER_SHAPE, GOOD] as const));
  const summary = summarise(sums);
  assert.deepEqual(judged(sums), { trials: 10, hits: 10 });
  assert.deepEqual([summary.disagreement.count, summary.disagreement.of, summary.beyondNoise], [10, 10, 'yes']);
  assert.deepEqual([summary.noise.count, summary.noise.of], [0, 10]);
  const [slice] = summary.slices;
  assert.deepEqual([slice?.disagreement.count, slice?.disagreement.of], [10, 10]);
  assert.match(textOf(sums), /differs beyond noise: 100.0 % \(.*10 of 10\) of the pairs differ/);
});

test('an answer that is too large to compare is charged to no one, and counted', () => {
  const sums = sumsOf([...times(9, [GOOD, GOOD] as const), [TOO_LARGE, GOOD]]);
  const summary = summarise(sums);
  assert.deepEqual(judged(sums), { trials: 9, hits: 0 });
  assert.deepEqual([summary.disagreement.count, summary.disagreement.of, summary.beyondNoise], [0, 9, 'no']);
  assert.equal(summary.kinds.not_compared, 1);
  assert.equal(summary.slices[0]?.disagreement.of, 9);
  assert.match(textOf(sums), /not_compared +1/);
});

test('where no pair could be compared, nobody says that there is no difference', () => {
  assert.match(textOf(sumsOf(times(3, [TOO_LARGE] as const))), /no pair could be compared/);
});

test('a baseline that answers another form than before is noise, as a candidate that does is a disagreement', () => {
  const sums = sumsOf(times(10, [OTHER_SHAPE, OTHER_SHAPE] as const));
  const { noise, disagreement, beyondNoise } = summarise(sums);
  assert.deepEqual([noise.count, noise.of, disagreement.count, beyondNoise], [10, 10, 10, 'no']);
});

test('every kind is the same, a disagreement, or charged to no one', () => {
  const aside = COMPARISON_KINDS.filter((kind) => !isCompared(kind));
  assert.deepEqual(aside, ['candidate_error', 'baseline_error', 'both_error', 'not_compared']);
  assert.deepEqual(COMPARISON_KINDS.filter(disagrees).sort(), [...DISAGREEMENTS].sort());
});

test("the dashboard's disagreement is the judge's", () => {
  const dashboard = readFileSync('deploy/grafana/sluice.json', 'utf8');
  const [, hits, trials] = /kind=~\\"([^"]+)\\".*kind=~\\"([^"]+)\\"/.exec(dashboard) ?? [];
  assert.deepEqual(hits?.split('|'), [...DISAGREEMENTS]);
  assert.deepEqual(trials?.split('|'), ['same', ...DISAGREEMENTS]);
});

function textOf(sums: ReadonlyMap<string, number>): string {
  const subject = { model: 'm', shadow: 'v2', baseline: 'v1', candidate: 'v2' };
  return summaryText({
    since: 0,
    until: 1,
    slot: 'minute',
    subjects: [{ subject, summary: summarise(sums), series: [] }],
  });
}
