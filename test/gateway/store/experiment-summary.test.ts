import assert from 'node:assert/strict';
import { test } from 'node:test';
import { armSums, summariseExperiment } from '../../../gateway/store/experiment-summary.ts';
import { openLocalStore } from '../../../gateway/store/files/local-store.ts';
import { undo } from '../../support/undo.ts';

test('arms have units, requests, errors and latency, and a lopsided split is told', async (t) => {
  const { experiments, close } = await openLocalStore();
  undo(t, () => close());
  for (let i = 0; i < 2000; i++) {
    const arm = i % 2 === 0 ? 'a' : 'b';
    if (arm === 'a' || i % 10 !== 1) experiments.expose('exp', arm, `user-${i}`); // a fifth of b is lost
    experiments.add(
      'exp',
      arm,
      armSums(i % 80 === 0 ? 'server_fault' : i % 40 === 0 ? 'model_fault' : 'ok', arm === 'a' ? 10 : 20),
    );
  }
  experiments.add('exp', 'b', armSums('client_fault', 1));
  const shares = new Map([
    ['a', 0.5],
    ['b', 0.5],
    ['c', 0],
  ]);
  const summary = summariseExperiment(await experiments.read('exp'), shares);
  const [a, b, c] = summary.arms;
  assert.deepEqual([a?.units, a?.requests, a?.errors.count, a?.errors.of], [1000, 1000, 50, 1000]);
  assert.deepEqual([b?.units, b?.requests, b?.errors.of, c?.units, c?.p50Ms], [800, 1001, 1000, 0, undefined]);
  assert.ok(Math.abs((a?.p50Ms ?? 0) / 10 - 1) < 0.03 && Math.abs((b?.p95Ms ?? 0) / 20 - 1) < 0.03);
  assert.equal(summary.sampleRatio?.mismatch, true);
  assert.ok(Math.abs((summary.sampleRatio?.chiSquare ?? 0) - 200 ** 2 / 1800) < 1e-9);
});
