import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { RequestError } from '../../../model-server/errors.ts';
import { Instance } from '../../../model-server/run/instance.ts';
import { Runner, type Ticket } from '../../../model-server/run/runner.ts';
import type { Tensor } from '../../../model-server/run/tensors.ts';
import { addModel, echoModel, makeRoot, rowsModel, scaleModel, slowModel, tableModel } from '../fixtures/models.ts';
import { floats, openRunner } from '../fixtures/runner.ts';

const slowInput = () => [floats('x', [1], 0.001)];
const pairs = (...values: number[]) => [floats('x', [values.length / 2, 2], ...values)];
const indexes = (...values: bigint[]): Tensor[] => [
  { name: 'x', datatype: 'INT64', shape: [values.length], data: BigInt64Array.from(values) },
];

test('runs are answered in the order they were asked for, each with its own data', async (t) => {
  const { runner, opened } = await openRunner(t, scaleModel(2));
  assert.deepEqual(opened.signature.inputs, [{ name: 'x', datatype: 'FP32', shape: ['batch', 2] }]);
  const order: number[] = [];
  const runs = Array.from({ length: 50 }, async (_, index) => {
    const { outputs } = await runner.submit({ inputs: pairs(index, 0), outputs: ['y'] }).result;
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

test('a cancelled run leaves the line at once and makes room in it; one in progress goes on', async (t) => {
  const { runner } = await openRunner(t, slowModel(5), { maxQueue: 2, hasRows: false });
  const order: string[] = [];
  const submit = (name: string): Ticket => {
    const ticket = runner.submit({ inputs: slowInput(), outputs: ['y'] });
    ticket.result.then(
      () => order.push(name),
      (error: RequestError) => order.push(`${name}: ${error.ending}`),
    );
    return ticket;
  };
  const running = submit('running');
  const leaves = submit('leaves');
  const stays = submit('stays');
  assert.throws(() => submit('refused'), { ending: 'queue_full' });
  const gone = new RequestError('client_left', 'gone');
  leaves.cancel(gone);
  running.cancel(gone);
  assert.equal(runner.waiting, 1);
  const late = submit('late');
  await Promise.allSettled([running.result, leaves.result, stays.result, late.result]);
  assert.deepEqual(order, ['leaves: client_left', 'running', 'stays', 'late']);
  await runner.close();
});

test('a smaller priority number goes first, equals in order', async (t) => {
  const { runner } = await openRunner(t, slowModel(2), { hasRows: false });
  const order: string[] = [];
  const runs = [
    ['first', undefined],
    ['default', undefined],
    ['low', 50],
    ['high', 1],
    ['default again', undefined],
    ['high again', 1],
  ] as const;
  await Promise.all(
    runs.map(async ([name, priority]) => {
      await runner.submit({ inputs: slowInput(), outputs: ['y'], priority }).result;
      order.push(name);
    }),
  );
  assert.deepEqual(order, ['first', 'high', 'high again', 'default', 'default again', 'low']);
  await runner.close();
});

test('several instances run at the same time', async (t) => {
  const { runner } = await openRunner(t, slowModel(3), { hasRows: false }, 2);
  const runs = [1, 2, 3].map(() => runner.submit({ inputs: slowInput(), outputs: ['y'] }).result);
  assert.deepEqual([runner.running, runner.waiting], [2, 1]);
  await Promise.all(runs);
  assert.deepEqual([runner.running, runner.waiting], [0, 0]);
  await runner.close();
});

test('waiting requests share a run up to the limit of rows, and each gets its own rows back', async (t) => {
  const { runner, executions } = await openRunner(t, scaleModel(3), { batching: { maxRows: 8, delayMs: 0 } });
  // The first starts alone; the others have gathered when it ends.
  const sizes = [1, 3, 2, 2, 4, 5, 1];
  const runs = sizes.map(async (rows, index) => {
    const values = Array.from({ length: 2 * rows }, (_, at) => index * 100 + at);
    const { outputs } = await runner.submit({ inputs: pairs(...values), outputs: ['y'] }).result;
    assert.deepEqual(outputs[0]?.shape, [rows, 2]);
    assert.deepEqual(
      outputs[0]?.data,
      Float32Array.from(values, (value) => value * 3),
    );
  });
  await Promise.all(runs);
  assert.deepEqual(
    executions.map(({ rows, requests }) => [rows, requests]),
    [
      [1, 1],
      [7, 3],
      [4, 1],
      [6, 2],
    ],
  );
  await runner.close();
});

test('each request of a batch gets the outputs it asked for, whatever the order of its inputs', async (t) => {
  const { runner, executions } = await openRunner(t, addModel, { batching: { maxRows: 8, delayMs: 0 } });
  const a = (value: number) => floats('a', [1], value);
  const b = (value: number) => floats('b', [1], value);
  const inputs = [
    [a(1), b(10)],
    [b(20), a(2)],
    [a(3), b(30)],
  ];
  const results = await Promise.all(inputs.map((each) => runner.submit({ inputs: each, outputs: ['sum'] }).result));
  assert.deepEqual(
    results.map(({ outputs }) => outputs[0]?.data[0]),
    [11, 22, 33],
  );
  assert.equal(executions.at(-1)?.requests, 2);
  const { runner: scale } = await openRunner(t, scaleModel(2), { batching: { maxRows: 8, delayMs: 0 } });
  const wanted = [['y'], ['label'], ['label', 'y']];
  const answers = await Promise.all(wanted.map((outputs) => scale.submit({ inputs: pairs(1, 2), outputs }).result));
  assert.deepEqual(
    answers.map(({ outputs }) => outputs.map(({ name }) => name)),
    wanted,
  );
  await Promise.all([runner.close(), scale.close()]);
});

test('text shares a run like numbers', async (t) => {
  const { runner, executions } = await openRunner(t, echoModel('BYTES'), { batching: { maxRows: 8, delayMs: 0 } });
  const runs = ['a', 'b', 'c'].map((text) => {
    const inputs: Tensor[] = [{ name: 'in', datatype: 'BYTES', shape: [2], data: [text, `${text}${text}`] }];
    return runner.submit({ inputs, outputs: ['out'] }).result;
  });
  const answers = await Promise.all(runs);
  assert.deepEqual(
    answers.map(({ outputs }) => outputs[0]?.data),
    [
      ['a', 'aa'],
      ['b', 'bb'],
      ['c', 'cc'],
    ],
  );
  assert.equal(executions.at(-1)?.rows, 4);
  await runner.close();
});

test('whoever poisons a batch fails alone', async (t) => {
  const { runner, executions } = await openRunner(t, tableModel, { batching: { maxRows: 16, delayMs: 0 } });
  const values = [0n, 1n, 2n, 9n, 0n, 1n, 2n, 0n, 1n];
  const runs = values.map((value) => runner.submit({ inputs: indexes(value), outputs: ['y'] }).result);
  const results = await Promise.allSettled(runs);
  assert.deepEqual(
    results.map((result) => (result.status === 'fulfilled' ? result.value.outputs[0]?.data[0] : 'failed')),
    [10, 20, 30, 'failed', 10, 20, 30, 10, 20],
  );
  const [poison] = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  assert.ok(poison instanceof RequestError);
  assert.equal(poison.ending, 'run_failed');
  assert.match(poison.message, /^model m version 1 failed: Gather node y: .*idx=9/);
  assert.ok(executions.length <= 8, 'halving finds it in few runs');
  await runner.close();
});

test('a model that does not answer a row for each row is answered by running every request alone', async (t) => {
  const { runner } = await openRunner(t, rowsModel, { batching: { maxRows: 8, delayMs: 0 } });
  const runs = [1, 2, 3].map((value) => runner.submit({ inputs: pairs(value, value), outputs: ['y'] }).result);
  const answers = await Promise.all(runs);
  assert.deepEqual(
    answers.map(({ outputs }) => outputs[0]?.data[0]),
    [2, 4, 6],
  );
  await runner.close();
});

test('the first of a batch waits for others no longer than the delay', async (t) => {
  const { runner, executions } = await openRunner(t, scaleModel(2), { batching: { maxRows: 3, delayMs: 150 } });
  const submit = () => runner.submit({ inputs: pairs(1, 1), outputs: ['y'] }).result;
  const start = performance.now();
  const { queueSeconds } = await submit();
  const alone = performance.now() - start;
  t.diagnostic(`alone for ${alone.toFixed(1)} ms of 150`);
  assert.ok(alone >= 149 && queueSeconds >= 0.149);
  const full = performance.now();
  await Promise.all([submit(), submit(), submit()]);
  assert.ok(performance.now() - full < 140, 'a full batch does not wait');
  assert.deepEqual(
    executions.map(({ rows }) => rows),
    [1, 3],
  );
  await runner.close();
});

test('a closing runner refuses new runs, runs the waiting ones without delay and ends by itself', async (t) => {
  const { runner } = await openRunner(t, scaleModel(2), { batching: { maxRows: 8, delayMs: 60_000 } });
  const waiting = runner.submit({ inputs: pairs(1, 1), outputs: ['y'] }).result;
  const closed = runner.close();
  assert.throws(() => runner.submit({ inputs: pairs(1, 1), outputs: ['y'] }), { ending: 'draining' });
  assert.equal((await waiting).outputs[0]?.data[0], 2);
  await closed;
});

test('a request that entered before the end may still submit its run', async (t) => {
  const { runner } = await openRunner(t, scaleModel(2));
  const leave = runner.enter();
  let isClosed = false;
  const closed = runner.close().then(() => {
    isClosed = true;
  });
  const { outputs } = await runner.submit({ inputs: pairs(1, 1), outputs: ['y'] }).result;
  assert.equal(outputs[0]?.data[0], 2);
  assert.equal(isClosed, false);
  leave();
  await closed;
  assert.throws(() => runner.submit({ inputs: pairs(1, 1), outputs: ['y'] }), { ending: 'draining' });
});

test('a worker that dies fails what it held, and the runner refuses the rest', async (t) => {
  const root = await makeRoot(t, { 'model.onnx': echoModel('BYTES') });
  const deaths: string[] = [];
  const limits = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 };
  const instance = new Instance((error) => {
    deaths.push(error.message);
    runner.fail(new RequestError('internal', 'dead'));
  }, limits);
  const runner = new Runner([instance], {
    label: 'm',
    maxQueue: 8,
    priority: 10,
    hasRows: false,
    batching: undefined,
    onExecution: () => undefined,
  });
  const path = join(root, 'model.onnx');
  await instance.open({ path, threads: 1, providers: ['cpu'], arena: true, device: 0 });
  // More text than the worker's heap may hold.
  const data = Array.from({ length: 400_000 }, (_, index) => `${'x'.repeat(200)}${index}`);
  const inputs = [{ name: 'in', datatype: 'BYTES', shape: [data.length], data } as const];
  const runs = [1, 2].map(() => runner.submit({ inputs, outputs: ['out'] }).result);
  for (const result of await Promise.allSettled(runs)) {
    assert.ok(result.status === 'rejected' && result.reason instanceof RequestError);
    assert.equal(result.reason.ending, 'internal');
  }
  assert.throws(() => runner.submit({ inputs, outputs: ['out'] }), { ending: 'internal' });
  assert.equal(deaths.length, 1);
  assert.match(deaths[0] ?? '', /the inference thread died: .*memory/);
  await runner.close();
});
