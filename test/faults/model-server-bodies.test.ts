// What callers of a model server may take together: memory for bodies, addresses, places in the queue.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Child } from '../../gateway/cli/run/child.ts';
import { makeRoot, scaleModel, slowModel } from '../model-server/fixtures/models.ts';
import { metricOf, post, startServer } from '../model-server/fixtures/server.ts';
import { rawCaller } from '../support/raw-caller.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
const REQUEST = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] });
const PATH = '/v2/models/scale/infer';

/** A model server as a process, with what proc(5) says of its memory, in MiB. */
async function serverProcess(t: TestContext, args: readonly string[] = []) {
  const models = await makeRoot(t, { 'scale/1/model.onnx': scaleModel(2) });
  const child = new Child(['model-server', '--models', models, '--port', '0', '--log-level', 'error', ...args], {
    output: 'pipe',
  });
  undo(t, () => child.stop());
  child.process.stdout?.resume();
  child.process.stderr?.resume();
  const { url } = await child.listening;
  await until(async () => (await post(url + PATH, REQUEST)).status === 200, 'it is loaded');
  const memory = (name: 'VmRSS' | 'VmHWM' | 'VmSize') =>
    Number(
      new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${child.process.pid}/status`, 'utf8'))?.[1],
    ) / 1024;
  return { url, memory };
}

const head = (length: number, headers: readonly string[] = []) =>
  [`POST ${PATH} HTTP/1.1`, 'Host: x', `Content-Length: ${length}`, ...headers, '', ''].join('\r\n');

test('gzip bodies unpack within one bound for all of them, and other callers are served meanwhile', async (t) => {
  const { url, memory } = await serverProcess(t, ['--upload-memory', '160MiB']);
  const padded = Buffer.alloc(60 * MIB, ' ');
  padded.write(REQUEST);
  const packed = gzipSync(padded);
  const before = memory('VmRSS');
  let isOver = false;
  const small = async () => {
    const statuses: number[] = [];
    for (; !isOver; await sleep(20)) statuses.push((await post(url + PATH, REQUEST)).status);
    return statuses;
  };
  const others = small();
  const send = () =>
    fetch(url + PATH, { method: 'POST', body: new Uint8Array(packed), headers: { 'content-encoding': 'gzip' } });
  const answers = await Promise.all(Array.from({ length: 40 }, send));
  isOver = true;
  const statuses = answers.map(({ status }) => status);
  const count = (status: number) => statuses.filter((each) => each === status).length;
  assert.ok(count(200) >= 2, `the oldest are served: ${statuses}`);
  assert.equal(count(200) + count(429), 40, `${statuses}`);
  const refused = answers.find(({ status }) => status === 429);
  assert.equal(refused?.headers.get('retry-after'), '1');
  assert.match(
    await (refused?.text() ?? ''),
    /the memory for bodies at this server \(--upload-memory, 167772160 bytes\) is full; try again/,
  );
  const grown = memory('VmHWM') - before;
  t.diagnostic(`${packed.length} bytes sent 40 times: ${grown.toFixed(0)} MiB more at most, ${count(200)} served`);
  assert.ok(grown < 800, `${grown} MiB more`);
  const served = (await others).filter((status) => status === 200).length;
  assert.ok(served / (await others).length > 0.5, `${served} of ${(await others).length} small requests beside them`);
  await until(async () => (await metricIn(url, 'sluice_server_body_bytes')) === 0, 'all is given back');
  assert.equal((await post(url + PATH, REQUEST)).status, 200);
});

async function metricIn(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

test('bodies that are announced and do not come reserve nothing', async (t) => {
  const { url, memory } = await serverProcess(t);
  const before = [memory('VmSize'), memory('VmRSS')] as const;
  for (let i = 0; i < 600; i++) (await rawCaller(t, url)).send(`${head(64 * MIB)}{`);
  await until(async () => (await metricIn(url, 'sluice_server_body_bytes')) >= 600, 'all have begun');
  const grown = [memory('VmSize') - before[0], memory('VmRSS') - before[1]];
  t.diagnostic(`600 announced bodies of 64 MiB: ${grown.map((each) => each.toFixed(0))} MiB of addresses, resident`);
  assert.ok((grown[0] ?? 0) < 1024 && (grown[1] ?? 0) < 200, `${grown} MiB`);
  assert.equal((await post(url + PATH, REQUEST)).status, 200);
});

test('memory for bodies comes back however a request ends', async (t) => {
  const { url, loaded } = await startServer(
    t,
    { 'scale/1/model.onnx': scaleModel(2) },
    { uploadMemory: 4 * MIB, bodyLimit: 2 * MIB },
  );
  await loaded;
  const half = Buffer.from(REQUEST.padEnd(MIB / 2));
  const bodies: [Buffer, Record<string, string>, number][] = [
    [half, {}, 200],
    [gzipSync(half), { 'content-encoding': 'gzip' }, 200],
    [half, { 'content-encoding': 'gzip' }, 400],
    [gzipSync(half).subarray(0, 30), { 'content-encoding': 'gzip' }, 400],
    [half, { 'content-encoding': 'br' }, 415],
    [gzipSync(Buffer.alloc(5 * MIB)), { 'content-encoding': 'gzip' }, 413],
    [Buffer.alloc(5 * MIB), {}, 413],
    [Buffer.alloc(MIB, '['), {}, 400],
  ];
  for (const [body, headers, status] of bodies) {
    const answer = await fetch(url + PATH, { method: 'POST', body: new Uint8Array(body), headers });
    assert.equal(answer.status, status, await answer.text());
  }
  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    const callers = await Promise.all(Array.from({ length: 5 }, () => rawCaller(t, url)));
    for (const { send } of callers) send(head(MIB) + 'x'.repeat(MIB / 2));
    for (const { socket } of callers) socket[end]();
  }
  const late = await rawCaller(t, url);
  late.send(`${head(MIB)}{`);
  await until(async () => (await metricIn(url, 'sluice_server_body_bytes')) === 1, 'what was taken is given back');
});

test('many requests in one pipeline leave the queue to others, and are answered in order', async (t) => {
  const { url, loaded } = await startServer(t, { 'slow/1/model.onnx': slowModel(1) }, { maxQueue: 8 });
  await loaded;
  const path = '/v2/models/slow/infer';
  const greedy = await rawCaller(t, url);
  const request = JSON.stringify({ inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] });
  const one = (i: number) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nx-request-id: n${i}\r\nContent-Length: ${request.length}\r\n\r\n${request}`;
  greedy.send(Array.from({ length: 60 }, (_, i) => one(i)).join(''));
  const others: number[] = [];
  while (greedy.statuses().length < 60) {
    others.push((await post(url + path, request)).status);
    await sleep(10);
  }
  assert.ok(
    greedy.statuses().every((status) => status === 200),
    greedy.text().slice(-400),
  );
  const ids = [...greedy.text().matchAll(/^x-request-id: n(\d+)\r$/gim)].map(([, id]) => Number(id));
  assert.deepEqual(
    ids,
    Array.from({ length: 60 }, (_, i) => i),
  );
  assert.ok(others.length > 10 && others.every((status) => status === 200), others.join());
  assert.ok((await metricOf(url, 'queue_depth')) <= 1);
});
