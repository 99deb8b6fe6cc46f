import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { readDeadline } from '../../../model-server/http/deadline.ts';
import { timeLeft } from '../../../model-server/run/deadline.ts';
import { until } from '../../support/until.ts';
import { slowModel } from '../fixtures/models.ts';
import { get, metricOf, post, startServer } from '../fixtures/server.ts';

const body = { inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [0.001] }] };
const infer = '/v2/models/slow/infer';

const readings: readonly [string | undefined, number | undefined][] = [
  [undefined, undefined],
  ['0', 0],
  ['250', 250],
  ['-5', -5],
];

for (const [header, expected] of readings) {
  test(`a deadline of ${header} reads as ${expected}`, () => assert.equal(readDeadline(header), expected));
}

for (const header of ['', '1.5', '1e3', 'soon', '99999999999999999999']) {
  test(`a deadline of "${header}" is refused`, () =>
    assert.throws(() => readDeadline(header), /whole number of milli/));
}

const limits: readonly [number, readonly (number | undefined)[], number | undefined][] = [
  [5, [], undefined],
  [5, [undefined, undefined], undefined],
  [5, [100, undefined, 30], 25],
  [50, [30], -20],
  // Node fires a timer of more than 2^31 milliseconds at once.
  [0, [2 ** 40], 86_400_000],
];

for (const [elapsed, given, expected] of limits) {
  test(`after ${elapsed} ms, of the limits [${given}] ${expected ?? 'no'} ms are left`, () => {
    assert.equal(timeLeft(elapsed, given), expected);
  });
}

test('a request whose deadline passes while it waits is answered 504 then, and never run', async (t) => {
  const server = await startServer(t, { 'slow/1/model.onnx': slowModel(32) });
  await server.loaded;
  const url = server.url + infer;
  const running = post(url, body);
  await until(async () => (await metricOf(server.url, 'pending_requests')) === 1, 'a run');
  let ended = false;
  void running.then(() => {
    ended = true;
  });
  const waiting = [
    post(url, body, { 'x-sluice-deadline-ms': '40' }),
    post(url, { ...body, parameters: { timeout: 40_000 } }),
    post(url, body, { 'x-sluice-deadline-ms': '0' }),
    post(url, body, { 'x-sluice-deadline-ms': '-7' }),
  ];
  const answers = await Promise.all(waiting);
  assert.equal(ended, false, 'they hear of it while the run goes on');
  for (const answer of answers) {
    assert.equal(answer.status, 504);
    assert.match(answer.text, /deadline of this request passed before its turn came; it was not run/);
  }
  const enough = post(url, body, { 'x-sluice-deadline-ms': '60000' });
  assert.deepEqual([(await running).status, (await enough).status], [200, 200]);
  assert.equal(await metricOf(server.url, 'run_seconds_count'), 2);
  const malformed = await post(url, body, { 'x-sluice-deadline-ms': 'soon' });
  assert.equal(malformed.status, 400);
});

test('model.yaml can limit how long a request waits', async (t) => {
  const server = await startServer(t, {
    'slow/1/model.onnx': slowModel(8),
    'slow/1/model.yaml': 'queue: { timeout: 30ms, max: 1 }',
  });
  await server.loaded;
  const url = server.url + infer;
  const running = post(url, body);
  await until(async () => (await metricOf(server.url, 'pending_requests')) === 1, 'a run');
  const waiting = post(url, body);
  await until(async () => (await metricOf(server.url, 'queue_depth')) === 1, 'one that waits', 5000).catch(
    () => undefined,
  );
  assert.equal((await waiting).status, 504);
  assert.equal((await running).status, 200);
});

test('a client that leaves while it waits frees its place at once', async (t) => {
  const server = await startServer(t, { 'slow/1/model.onnx': slowModel(8) }, { maxQueue: 1 });
  await server.loaded;
  const url = server.url + infer;
  const running = post(url, body);
  await until(async () => (await metricOf(server.url, 'pending_requests')) === 1, 'a run');
  const leaving = request(url, { method: 'POST' });
  leaving.on('error', () => undefined);
  leaving.end(JSON.stringify(body));
  await until(async () => (await metricOf(server.url, 'queue_depth')) === 1, 'one that waits');
  leaving.destroy();
  await until(async () => (await metricOf(server.url, 'queue_depth')) === 0, 'its place free');
  assert.match((await get(`${server.url}/metrics`)).text, /outcome="client_left"\} 1/);
  assert.equal((await running).status, 200);
});
