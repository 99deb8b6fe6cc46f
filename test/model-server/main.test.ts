import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startModelServer } from '../../model-server/main.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';
import { makeRoot, scaleModel, slowModel } from './fixtures/models.ts';
import { get, post, startServer } from './fixtures/server.ts';

const slowBody = { inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [0.001] }] };
const slowFiles = { 'slow/1/model.onnx': slowModel(10) };

test('it answers that it lives before it has loaded, and is ready only then', async (t) => {
  const server = await startServer(t, { 'slow/1/model.onnx': slowModel(20) });
  const [live, ready, model] = await Promise.all([
    get(`${server.url}/v2/health/live`),
    get(`${server.url}/v2/health/ready`),
    get(`${server.url}/v2/models/slow/ready`),
  ]);
  assert.equal(live.status, 200);
  assert.equal(ready.status, 503);
  assert.deepEqual(JSON.parse(model.text), { name: 'slow', version: '1', ready: false, reason: 'loading' });
  await server.loaded;
  assert.equal((await get(`${server.url}/v2/health/ready`)).status, 200);
});

test('closing answers the run in flight and the queued ones, each with connection: close', async (t) => {
  const server = await startServer(t, slowFiles);
  await server.loaded;
  const runs = [1, 2, 3].map(() => post(`${server.url}/v2/models/slow/infer`, slowBody));
  await queueDepth(server.url, 2);
  await Promise.all([server.close(), server.close()]);
  for (const answer of await Promise.all(runs)) {
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get('connection'), 'close');
  }
  await assert.rejects(get(`${server.url}/v2/health/live`));
});

test('readiness goes off with the first moment of closing', async (t) => {
  const server = await startServer(t, slowFiles);
  await server.loaded;
  const run = post(`${server.url}/v2/models/slow/infer`, slowBody);
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  undo(t, () => socket.destroy());
  // Half a request: the connection is in use when closing begins.
  socket.write('GET /v2/health/ready HTTP/1.1\r\nhost: x\r\n');
  await once(socket, 'connect');
  // What came later has been answered, so the half has been read.
  await get(`${server.url}/v2/health/live`);
  const closed = server.close();
  socket.write('\r\n');
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1.1 503 .*connection: close.*\{"ready":false\}$/is);
  assert.equal((await run).status, 200);
  await closed;
});

test('a client that never finishes its request is cut when the grace is over', async (t) => {
  const server = await startServer(t, { 'scale/1/model.onnx': scaleModel(2) }, { closeGraceMs: 100 });
  await server.loaded;
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write('POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{');
  await once(socket, 'connect');
  await get(`${server.url}/v2/health/live`);
  const start = performance.now();
  await server.close();
  assert.ok(performance.now() - start < 2000);
});

test('closing during a load waits for it and ends', async (t) => {
  const server = await startServer(t, { 'slow/1/model.onnx': slowModel(20), 'slow/2/model.onnx': slowModel(20) });
  await server.close();
  await server.loaded;
});

test('a full queue answers 429 at once, names the queue and says when to retry', async (t) => {
  const server = await startServer(t, slowFiles, { maxQueue: 1 });
  await server.loaded;
  const runs = [1, 2].map(() => post(`${server.url}/v2/models/slow/infer`, slowBody));
  await queueDepth(server.url, 1);
  const refused = await post(`${server.url}/v2/models/slow/infer`, slowBody);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.match(refused.text, /run queue of model slow version 1 is full: 1 requests wait already/);
  assert.deepEqual(
    (await Promise.all(runs)).map(({ status }) => status),
    [200, 200],
  );
});

test('a queued run whose client has left is dropped unrun', async (t) => {
  const server = await startServer(t, slowFiles);
  await server.loaded;
  const runs = [1, 2].map(() => post(`${server.url}/v2/models/slow/infer`, slowBody));
  await queueDepth(server.url, 1);
  const leaving = request(`${server.url}/v2/models/slow/infer`, { method: 'POST' });
  leaving.on('error', () => undefined);
  leaving.end(JSON.stringify(slowBody));
  await queueDepth(server.url, 2);
  leaving.destroy();
  for (const { status } of await Promise.all(runs)) {
    assert.equal(status, 200);
  }
  const metrics = async () => (await get(`${server.url}/metrics`)).text;
  await until(async () => /outcome="client_left"\} 1/.test(await metrics()), 'the client counted as gone');
  assert.match(await metrics(), /run_seconds_count\{model="slow",version="1"\} 2/);
});

test('a port in use is refused with EADDRINUSE', async (t) => {
  const server = await startServer(t, { 'scale/1/model.onnx': scaleModel(2) });
  const models = await makeRoot(t, { 'scale/1/model.onnx': scaleModel(2) });
  await assert.rejects(startModelServer({ models, port: Number(new URL(server.url).port), logLevel: 'silent' }), {
    code: 'EADDRINUSE',
  });
});

test('an empty or missing repository is refused before anything listens', async (t) => {
  const models = await makeRoot(t, {});
  await assert.rejects(startModelServer({ models, port: 0 }), /holds no/);
  await assert.rejects(startModelServer({ models: `${models}/nothing`, port: 0 }), /is not a folder/);
});

async function queueDepth(url: string, depth: number): Promise<void> {
  const line = new RegExp(`^sluice_server_queue_depth\\{.*\\} ${depth}$`, 'm');
  await until(async () => line.test((await get(`${url}/metrics`)).text), `${depth} runs in the queue`);
}
