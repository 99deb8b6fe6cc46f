// Callers that take their time hold nothing for long: rows A26, A27, A29 and B14 of the catalogue of faults.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GATEWAY_OPTIONS } from '../../gateway/settings.ts';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { refusedFor } from '../support/metrics.ts';
import { inferBytes, type RawCaller, rawCaller } from '../support/raw-caller.ts';
import { until } from '../support/until.ts';

const REQUEST_TIMEOUT_MS = 500;
/** The time limit, how often Node looks, and a busy machine. */
const CUT_WITHIN_MS = 5 * REQUEST_TIMEOUT_MS * 2;

async function cutWithin(caller: RawCaller, what: string): Promise<void> {
  const start = performance.now();
  await until(() => caller.ended() !== undefined, `${what} is cut`, CUT_WITHIN_MS);
  const took = performance.now() - start;
  assert.ok(took > REQUEST_TIMEOUT_MS * 0.5, `${what} was cut after ${took} ms already`);
}

test('A26: a silent socket, slow headers and a slow body are each answered 408 and cut', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { url, adminUrl } = await gateway(t, policyOf([server.url]), {
    limits: { requestTimeoutMs: REQUEST_TIMEOUT_MS },
  });
  const mute = await rawCaller(t, url);
  const slowHead = await rawCaller(t, url);
  slowHead.send('POST /v2/models/m/infer HTTP/1.1\r\nHo');
  const slowBody = await rawCaller(t, url);
  slowBody.send(inferBytes('{', [], 100));
  const trickle = setInterval(() => {
    slowHead.send('s');
    slowBody.send(' ');
  }, 100);
  await Promise.all([
    cutWithin(mute, 'a silent socket'),
    cutWithin(slowHead, 'a slow head'),
    cutWithin(slowBody, 'a slow body'),
  ]).finally(() => clearInterval(trickle));
  for (const caller of [mute, slowHead, slowBody]) assert.deepEqual(caller.statuses(), [408]);
  assert.match(slowBody.text(), /\r\n\r\n\{"error":"the request could not be read: request timeout"\}$/);
  assert.equal(server.seen.length, 0);
  await until(async () => (await refusedFor(adminUrl, 'too_slow')) === 3, 'three are counted');
  assert.equal(await refusedFor(adminUrl, 'client_left'), 0, 'none is counted twice');
});

test('B14: a body slower than the deadline of the model holds no place at a server', async (t) => {
  const server = await fakeServer(t, answering({}));
  const policy = policyOf([server.url], 'timeout: 100ms').replace(
    `"${server.url}"`,
    `"${server.url}", max_in_flight: 1`,
  );
  const { url } = await gateway(t, policy, { limits: { requestTimeoutMs: 1500 } });
  const slow = await Promise.all(Array.from({ length: 5 }, () => rawCaller(t, url)));
  for (const caller of slow) caller.send(inferBytes('{', [], 2));
  await sleep(300);
  assert.equal(server.seen.length, 0, 'nothing is sent before the body is whole');
  assert.equal((await infer(url)).status, 200, 'the only place is free');
  slow[0]?.send('}');
  await until(() => slow[0]?.statuses()[0] === 200, 'a slow body in time is answered');
  await until(() => slow.slice(1).every((caller) => caller.statuses()[0] === 408), 'the others are refused');
  assert.equal(server.seen.length, 2);
});

test('A26: a caller that takes nothing of a big answer is cut off, and one that takes it slowly is not', async (t) => {
  const BYTES = 32 * 1024 * 1024; // more than the buffers of the system hold
  const body = Buffer.alloc(BYTES, 'x');
  const server = await fakeServer(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-length': BYTES }).end(body));
  });
  const { url, adminUrl } = await gateway(t, policyOf([server.url], 'timeout: 20s'), {
    limits: { answerTimeoutMs: 600 },
  });
  const stuck = await rawCaller(t, url);
  stuck.socket.pause();
  stuck.send(inferBytes('{}'));
  const steady = await rawCaller(t, url);
  let taken = 0;
  steady.socket.removeAllListeners('data').on('data', (piece: string) => {
    taken += piece.length;
    // Half a megabyte at a time with pauses: longer in all than the limit, and never still for as long as that.
    if (taken % (512 * 1024) < piece.length) {
      steady.socket.pause();
      setTimeout(() => steady.socket.resume(), 30);
    }
  });
  steady.send(inferBytes('{}', ['Connection: close']));
  const start = performance.now();
  await until(async () => (await refusedFor(adminUrl, 'answer_not_taken')) === 1, 'the stuck caller is cut off');
  stuck.socket.resume();
  await until(() => stuck.ended() !== undefined, 'its connection is gone');
  assert.ok(stuck.text().length < BYTES, 'its answer is cut short');
  await until(() => steady.ended() !== undefined, 'the steady caller has its answer', 30_000);
  const took = performance.now() - start;
  assert.ok(taken > BYTES, `${taken} bytes`);
  assert.ok(took > 1200, `${took} ms is longer than the limit`);
  assert.equal(await refusedFor(adminUrl, 'answer_not_taken'), 1);
});

test('A26: a caller that asks for much and reads nothing is not read from any more either', async (t) => {
  const server = await fakeServer(t, answering({ padding: 'x'.repeat(20_000) }));
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 20s'), { limits: { answerTimeoutMs: 10_000 } });
  const greedy = await rawCaller(t, url);
  greedy.socket.pause();
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 20_000; i++) greedy.send(inferBytes('{}'));
  let seen = -1;
  await until(
    async () => {
      const last = seen;
      seen = server.seen.length;
      await sleep(300);
      return seen > 0 && seen === last;
    },
    'no more requests are taken',
    20_000,
  );
  assert.ok(seen < 10_000, `${seen} of 20,000 requests were taken`);
  const grown = (process.memoryUsage.rss() - before) / 1024 / 1024;
  t.diagnostic(`${seen} of 20,000 pipelined requests taken, ${grown.toFixed(0)} MiB more`);
});

test('A27: beyond the cap the longest idle connection is closed; with all at work the new one is told 503', async (t) => {
  const server = await fakeServer(t, silent);
  const { url, adminUrl } = await gateway(t, policyOf([server.url], 'timeout: 3s'), { limits: { maxConnections: 3 } });
  const idle = async () => {
    const caller = await rawCaller(t, url);
    caller.send('GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => caller.statuses().length === 1, 'an answer');
    return caller;
  };
  const [first, second, third] = [await idle(), await idle(), await idle()];
  first.send('GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => first.statuses().length === 2, 'another answer: the second is the longest idle now');
  const fourth = await idle();
  await until(() => second.ended() !== undefined, 'the longest idle is closed');
  assert.deepEqual([first.ended(), third.ended(), fourth.ended()], [undefined, undefined, undefined]);

  for (const caller of [first, third, fourth]) caller.send(inferBytes('{}'));
  await until(() => server.seen.length === 3, 'all are at work');
  const refused = await rawCaller(t, url);
  await until(() => refused.ended() !== undefined, 'a fifth is refused');
  assert.match(
    refused.text(),
    /^HTTP\/1\.1 503 [\s\S]*retry-after: 1\r\n[\s\S]*\{"error":"too many connections; try again"\}$/,
  );
  await until(
    () => [first, third, fourth].every((caller) => caller.statuses().at(-1) === 504),
    'those at work are answered',
  );
  await idle();
  assert.equal(await refusedFor(adminUrl, 'too_many_connections'), 3);
});

test('A27: a thousand idle connections and a churn of others cost the rest nothing', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([server.url]));
  await Promise.all(Array.from({ length: 1000 }, () => rawCaller(t, url)));
  const latencies: number[] = [];
  for (let i = 0; i < 200; i++) {
    const churn = await rawCaller(t, url);
    churn.socket.destroy();
    const start = performance.now();
    assert.equal((await infer(url)).status, 200);
    latencies.push(performance.now() - start);
  }
  const p95 = latencies.sort((a, b) => a - b)[190] ?? 0;
  t.diagnostic(`p95 ${p95.toFixed(1)} ms`);
  assert.ok(p95 < 250, `p95 ${p95} ms`);
});

test('A29: a caller that resets or half-closes has left: its request is cancelled, nobody sees a 500', async (t) => {
  const server = await fakeServer(t, silent);
  const { url, adminUrl } = await gateway(t, policyOf([server.url], 'timeout: 10s'));
  const resets = await rawCaller(t, url);
  resets.send(inferBytes('{}'));
  const halfCloses = await rawCaller(t, url);
  halfCloses.send(inferBytes('{}'));
  const midBody = await rawCaller(t, url);
  midBody.send(inferBytes('{', [], 100));
  await until(() => server.seen.length === 2, 'two requests at the server');
  resets.socket.resetAndDestroy();
  halfCloses.socket.end();
  midBody.socket.resetAndDestroy();
  await until(() => server.seen.every(({ socket }) => socket.destroyed), 'both are cancelled');
  await until(async () => (await refusedFor(adminUrl, 'client_left')) === 1, 'the unread one is counted');
  assert.deepEqual(halfCloses.statuses(), []);
  assert.equal(server.seen.length, 2);
  assert.equal(await refusedFor(adminUrl, 'internal'), 0);
});

test('P17: by default every slow caller is cut within 30 seconds', () => {
  const sweep = 1.4; // an answer is looked at five times per timeout, and counted from the first look
  const look = 1000; // how often Node looks for late requests
  assert.ok(GATEWAY_OPTIONS['request-timeout'].default + look <= 30_000);
  assert.ok(GATEWAY_OPTIONS['answer-timeout'].default * sweep <= 30_000);
});

test('P17: a body on its way takes no place among the requests that overload is judged by', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([server.url]));
  const slow = await Promise.all(Array.from({ length: 400 }, () => rawCaller(t, url)));
  for (const caller of slow) caller.send(inferBytes('{', [], 100));
  await sleep(500); // they are in
  // A stall of the event loop, which is the gateway's own here, lets in seven tenths of those inside, again and again.
  for (let i = 0; i < 15; i++) {
    const busyUntil = performance.now() + 120;
    while (performance.now() < busyUntil);
    await sleep(10);
  }
  const statuses = await Promise.all(Array.from({ length: 10 }, () => infer(url).then(({ status }) => status)));
  assert.deepEqual(statuses, Array(10).fill(200));
});
