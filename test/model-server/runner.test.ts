import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { RequestError } from '../../model-server/errors.ts';
import { Runner } from '../../model-server/runner.ts';
import { echoModel, makeRoot, scaleModel, slowModel } from './fixtures/models.ts';

const isWanted = () => true;
const quiet = { threads: 1, maxQueue: 8, onDeath: () => undefined };

test('runs are answered in the order they were asked for, each with its own data', async (t) => {
  const root = await makeRoot(t, { 'model.onnx': scaleModel(2) });
  const runner = new Runner({ ...quiet, maxQueue: 100 });
  const { session, signature } = await runner.load(join(root, 'model.onnx'), 'model m version 1');
  assert.deepEqual(signature.inputs, [{ name: 'x', datatype: 'FP32', shape: ['batch', 2] }]);
  const order: number[] = [];
  const runs = Array.from({ length: 50 }, async (_, index) => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: Float32Array.of(index, 0) } as const];
    const { outputs } = await runner.run({ session, inputs, outputs: ['y'], isWanted });
    order.push(index);
    return outputs[0]?.data[0];
  });
  assert.deepEqual(
    await Promise.all(runs),
    Array.from({ length: 50 }, (_, index) => index * 2),
  );
  assert.deepEqual(
    order,
    Array.from({ length: 50 }, (_, index) => index),
  );
  await runner.close();
});

test('runs nobody waits for any more make room in a full queue', async (t) => {
  const root = await makeRoot(t, { 'model.onnx': slowModel(5) });
  const runner = new Runner({ ...quiet, maxQueue: 3 });
  const { session } = await runner.load(join(root, 'model.onnx'), 'model m version 1');
  const order: string[] = [];
  const run = async (name: string, isWanted: () => boolean) => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1], data: Float32Array.of(0.001) } as const];
    await runner.run({ session, inputs, outputs: ['y'], isWanted });
    order.push(name);
  };
  let isHere = true;
  const stays = [run('in progress', isWanted)];
  const leaves = [run('left first', () => isHere)];
  stays.push(run('stayed', isWanted));
  leaves.push(run('left last', () => isHere));
  await assert.rejects(run('refused', isWanted), { ending: 'queue_full' });
  isHere = false;
  stays.push(run('came later', isWanted));
  assert.equal(runner.waiting, 2);
  for (const left of await Promise.allSettled(leaves)) {
    assert.ok(left.status === 'rejected' && left.reason instanceof RequestError);
    assert.equal(left.reason.ending, 'client_left');
  }
  assert.deepEqual(order, [], 'they hear of it before the run in progress has ended');
  await Promise.all(stays);
  assert.deepEqual(order, ['in progress', 'stayed', 'came later']);
  await runner.close();
});

test('a closing runner refuses new runs and ends by itself', async (t) => {
  const root = await makeRoot(t, { 'model.onnx': scaleModel(2) });
  const runner = new Runner(quiet);
  const { session } = await runner.load(join(root, 'model.onnx'), 'model m version 1');
  const closed = runner.close();
  await assert.rejects(runner.run({ session, inputs: [], outputs: [], isWanted }), { ending: 'draining' });
  await closed;
  assert.equal(runner.isUp, false);
});

test('a worker that dies fails what it held, refuses the rest and is reported once', async (t) => {
  const root = await makeRoot(t, { 'model.onnx': echoModel('BYTES') });
  const deaths: string[] = [];
  const runner = new Runner({
    ...quiet,
    onDeath: (error) => deaths.push(error.message),
    resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 },
  });
  const { session } = await runner.load(join(root, 'model.onnx'), 'model m version 1');
  // More text than the worker's heap may hold.
  const data = Array.from({ length: 400_000 }, (_, index) => `${'x'.repeat(200)}${index}`);
  const inputs = [{ name: 'in', datatype: 'BYTES', shape: [data.length], data } as const];
  const runs = [1, 2].map(() => runner.run({ session, inputs, outputs: ['out'], isWanted }));
  for (const result of await Promise.allSettled(runs)) {
    assert.ok(result.status === 'rejected' && result.reason instanceof RequestError);
    assert.equal(result.reason.ending, 'internal');
  }
  await assert.rejects(runner.run({ session, inputs, outputs: ['out'], isWanted }), { ending: 'internal' });
  assert.equal(runner.isUp, false);
  assert.equal(deaths.length, 1);
  assert.match(deaths[0] ?? '', /the inference thread died: .*memory/);
  await runner.close();
});
