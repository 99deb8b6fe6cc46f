// The short form of `npm run bench -- judge`: the same rows, fewer runs, the same seeds. Two runs of it see the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBad, runGood, seedOf } from './bench-worker.ts';
import { BAD_ROWS, ROWS } from './rows.ts';

/** Simulated seconds that one row may take here. */
const LONGEST_S = 3600;

for (const [row, good] of ROWS.entries()) {
  if ((good.spec.gateways?.count ?? 1) > 3) continue; // dear, and in the bench
  test(`of versions that are alike none is ended: ${good.name}`, () => {
    const hours = Math.min(good.hours, LONGEST_S / 3600);
    for (let run = 0; run < 3; run++) {
      const seed = seedOf({ kind: 'good', row }, run);
      const { endedAt, heldAt, suspendedAt, sentences, faults } = runGood({ ...good, hours }, seed);
      assert.deepEqual([endedAt, heldAt], [undefined, undefined], sentences.join('\n'));
      assert.ok(
        suspendedAt.length <= Math.max(1, faults),
        `suspended ${suspendedAt.length} times: ${sentences.join('\n')}`,
      );
    }
  });
}

for (const [row, bad] of BAD_ROWS.entries()) {
  const { name, healthyS, suspended, endedWithinS, spec } = bad;
  if (suspended === undefined || healthyS > 0 || (spec.gateways?.count ?? 1) > 1) continue;
  test(`callers are free of a bad candidate in time: ${name}`, () => {
    const runs = Array.from({ length: 15 }, (_, run) =>
      runBad({ ...bad, limitS: Math.min(bad.limitS, 2400) }, seedOf({ kind: 'bad', row }, run)),
    );
    const times = (all: readonly (number | undefined)[]) =>
      all.map((time) => time ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
    // Fifteen runs scatter: what is promised of the median is asked of two thirds of the promise's part.
    const freed = times(runs.map(({ suspendedAt }) => suspendedAt[0]));
    const inTime = freed.filter((time) => time <= suspended.withinS).length;
    assert.ok(inTime >= Math.floor((2 / 3) * suspended.part * runs.length), `suspended after ${freed.join(', ')} s`);
    if (endedWithinS === undefined) return;
    const ended = times(runs.map(({ endedAt }) => endedAt));
    assert.ok((ended[7] ?? Number.NaN) <= endedWithinS, `ended after ${ended.join(', ')} s`);
  });
}
