import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Comparer } from '../../../gateway/compare/comparer.ts';
import { undo } from '../../support/undo.ts';
import { until } from '../../support/until.ts';
import { pair, side } from './answers.ts';
import { HOSTILE, hostilePair } from './hostile.ts';

const good = side('[1]');

test('whatever an answer unfolds into, the gateway lives, the pair is counted, and the next one is compared', async (t) => {
  const comparer = new Comparer({ sink: () => {}, maxBytes: 64 * 1024 * 1024 });
  undo(t, () => comparer.close());
  for (const make of HOSTILE) {
    const hostile = make();
    comparer.configure(new Map([['digits/v2', { as: hostile.as }]]));
    comparer.offer(hostilePair(hostile));
    await until(() => comparer.counters().waiting === 0, hostile.name, 60_000);
  }
  const { offered, compared, failed } = comparer.counters();
  assert.deepEqual([compared + failed, offered], [HOSTILE.length, HOSTILE.length]);
  comparer.offer(pair(good, good));
  await until(() => comparer.counters().compared === compared + 1, 'the next pair', 10_000);
});
