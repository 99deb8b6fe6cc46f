// The receiving side at its real limits and in real numbers: rows A26 and A27, promises P10 and P17.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { answering, fakeServer } from '../support/fake-server.ts';
import { infer, policyOf } from '../support/gateway.ts';
import { type GatewayProcess, gatewayProcess } from '../support/gateway-process.ts';
import { refusedFor } from '../support/metrics.ts';
import { type LoadReport, openLoop } from '../support/open-loop.ts';
import { inferBytes } from '../support/raw-caller.ts';
import { undo } from '../support/undo.ts';

const MIB = 1024 * 1024;
const SECOND = 1000;
/** Each holds an answer of 8 MiB in the gateway: answers are held whole, and nothing bounds all of them together. */
const STUCK = 20;

/** A bare connection that never counts as a failure of the test. */
async function open(t: TestContext, url: string, bytes = ''): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  undo(t, () => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect').catch(() => {});
  if (bytes !== '') socket.write(bytes, 'latin1');
  return socket;
}

/** What good callers experience meanwhile. */
function goodCallers({ url }: GatewayProcess, forMs: number): Promise<LoadReport<number>> {
  return openLoop({
    perSecond: 50,
    forMs,
    send: async () => {
      const response = await infer(url);
      await response.arrayBuffer();
      return response.status;
    },
  });
}

function tell(t: TestContext, what: string, gateway: GatewayProcess, load: LoadReport<number>): void {
  const ok = load.sent.filter(({ result }) => result.ok && result.value === 200).length;
  const [p50, p99] = [load.latency(0.5), load.latency(0.99)].map((ms) => ms.toFixed(1));
  t.diagnostic(
    `${what}: ${ok} of ${load.sent.length} good requests answered 200, p50 ${p50} ms, p99 ${p99} ms, ` +
      `generator late by ${load.worstLateMs.toFixed(0)} ms at worst; memory ${gateway.memory().most.toFixed(0)} MiB at most`,
  );
}

test('P17: two thousand slow callers of four kinds are all cut within 30 s, and good callers hardly notice', async (t) => {
  const big = Buffer.alloc(8 * MIB, 'x');
  const server = await fakeServer(t, (request, response) => {
    const isBig = request.headers['x-big'] !== undefined;
    request.resume().on('end', () => response.end(isBig ? big : '{}'));
  });
  const gateway = await gatewayProcess(t, policyOf([server.url], 'timeout: 20s'));
  const kinds: Readonly<Record<string, string>> = {
    silent: '',
    'slow head': 'POST /v2/models/m/infer HTTP/1.1\r\nHo',
    'slow body': inferBytes('{', [], 1000),
  };
  const started = performance.now();
  const cutAfter: number[] = [];
  const trickling: Socket[] = [];
  for (const [kind, bytes] of Object.entries(kinds))
    for (let i = 0; i < 660; i++) {
      const socket = await open(t, gateway.url, bytes);
      const opened = performance.now();
      socket.once('close', () => cutAfter.push(performance.now() - opened)).resume();
      if (kind !== 'silent') trickling.push(socket);
    }
  for (let i = 0; i < STUCK; i++) {
    const socket = await open(t, gateway.url, inferBytes('{}', ['x-big: 1']));
    socket.pause();
  }
  const trickle = setInterval(() => {
    for (const socket of trickling) if (socket.writable) socket.write('a');
  }, SECOND);
  undo(t, () => clearInterval(trickle));
  t.diagnostic(`2,000 slow callers after ${((performance.now() - started) / SECOND).toFixed(1)} s`);
  const load = await goodCallers(gateway, 35 * SECOND);
  tell(t, 'slow callers', gateway, load);
  const worst = Math.max(...cutAfter) / SECOND;
  const stuck = await refusedFor(gateway.adminUrl, 'answer_not_taken');
  t.diagnostic(`the last of ${cutAfter.length} was cut after ${worst.toFixed(1)} s; ${stuck} readers cut`);
  assert.equal(cutAfter.length, 3 * 660);
  assert.ok(worst <= 30, `${worst} s`);
  assert.equal(stuck, STUCK);
  assert.ok(load.sent.every(({ result }) => result.ok && result.value === 200));
  assert.equal(await refusedFor(gateway.adminUrl, 'internal'), 0);
});

test('A27: ten thousand idle connections and a churn of 2,000 a second leave the others alone; the oldest idle goes', async (t) => {
  const server = await fakeServer(t, answering({}));
  const gateway = await gatewayProcess(t, policyOf([server.url], 'timeout: 5s'));
  const alone = await goodCallers(gateway, 5 * SECOND);
  tell(t, 'alone', gateway, alone);
  let closed = 0;
  for (let i = 0; i < 100; i++) {
    const hundred = await Promise.all(Array.from({ length: 100 }, () => open(t, gateway.url)));
    // Served once, so that it is idle between requests: a connection that never asked anything is cut for that.
    for (const socket of hundred) {
      socket.write('GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n');
      socket.once('close', () => closed++).resume();
    }
  }
  await sleep(2 * SECOND);
  assert.ok(closed < 50, `${closed} of 10,000 are closed so far`); // the cap counts the good callers too
  const idle = await goodCallers(gateway, 10 * SECOND);
  tell(t, '10,000 idle', gateway, idle);
  const before = closed;
  const churn = openLoop({
    perSecond: 2000,
    forMs: 10 * SECOND,
    send: async () => (await open(t, gateway.url)).destroy(),
  });
  const busy = await goodCallers(gateway, 10 * SECOND);
  const { worstLateMs } = await churn;
  tell(t, `10,000 idle and churn (its generator late by ${worstLateMs.toFixed(0)} ms)`, gateway, busy);
  t.diagnostic(`${closed - before} idle connections closed for new ones`);
  for (const load of [alone, idle, busy]) assert.ok(load.sent.every(({ result }) => result.ok && result.value === 200));
  assert.ok(idle.latency(0.99) < alone.latency(0.99) * 5 + 100);
  assert.ok(gateway.memory().most < 512, `${gateway.memory().most} MiB`);
});

test('P10: a thousand uploads of 5 MB before a slow server are shed, memory stays bounded and others are answered', async (t) => {
  const server = await fakeServer(t, (request, response) => {
    const isBig = Number(request.headers['content-length']) > MIB;
    request.resume().on('end', () => setTimeout(() => response.end('{}'), isBig ? 3000 : 0));
  });
  const args = ['--upload-memory', '64MiB'];
  const gateway = await gatewayProcess(t, policyOf([server.url], 'timeout: 10s'), args);
  const workerData = { url: gateway.url, count: 1000, bytes: 5_000_000 };
  const uploaders = new Worker(new URL('./uploaders.js', import.meta.url), { workerData });
  undo(t, () => uploaders.terminate());
  const ended = once(uploaders, 'message') as Promise<[Record<string, number>]>;
  const load = await goodCallers(gateway, 15 * SECOND);
  const [outcomes] = await ended;
  tell(t, 'uploads', gateway, load);
  const good = load.sent.map(({ result }) => (result.ok ? result.value : 0));
  const shed = good.filter((status) => status === 503).length;
  t.diagnostic(`uploads: ${JSON.stringify(outcomes)}; ${shed} good requests were told 503`);
  assert.ok(gateway.memory().most < 512, `${gateway.memory().most} MiB`);
  assert.ok((outcomes['200'] ?? 0) >= 10, 'as many as fit are served');
  assert.ok((outcomes['503'] ?? 0) > 0, 'the rest is shed');
  assert.ok(good.every((status) => status === 200 || status === 503));
  assert.ok(shed < good.length / 2, `${shed} of ${good.length}`);
  assert.equal((await infer(gateway.url, { body: Buffer.alloc(5_000_000) })).status, 200, 'the memory is free again');
  assert.equal(await refusedFor(gateway.adminUrl, 'internal'), 0);
});
