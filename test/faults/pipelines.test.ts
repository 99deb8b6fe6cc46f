// Requests that a caller sends without waiting for answers: one connection never takes what is everyone's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fakeServer } from '../support/fake-server.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { refusedFor } from '../support/metrics.ts';
import { inferBytes, type RawCaller, rawCaller } from '../support/raw-caller.ts';
import { until } from '../support/until.ts';

const GREEDY = 'x-greedy: 1';

/** A server that takes so long for an answer, with the most requests of a greedy caller that it had at one time. */
async function slowServer(t: Parameters<typeof fakeServer>[0], ms: number) {
  let [now, most] = [0, 0];
  const { url, seen } = await fakeServer(t, (request, response) => {
    const isGreedy = request.headers['x-greedy'] !== undefined;
    if (isGreedy) most = Math.max(most, ++now);
    request.resume().on('end', async () => {
      await sleep(ms);
      if (isGreedy) now--;
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 }).end('{}');
    });
  });
  return { url, seen, most: () => most };
}

function idsIn(caller: RawCaller): number[] {
  return [...caller.text().matchAll(/^x-request-id: n(\d+)\r$/gim)].map(([, id]) => Number(id));
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test('a thousand requests in one pipeline take one place; everyone else is served, and all are answered in order', async (t) => {
  const server = await slowServer(t, 5);
  const { url, adminUrl } = await gateway(t, policyOf([server.url], 'timeout: 5s'));
  const greedy = await rawCaller(t, url);
  greedy.send(
    numbers(1000)
      .map((i) => inferBytes('{}', [GREEDY, `x-request-id: n${i}`]))
      .join(''),
  );
  const others: number[] = [];
  while (greedy.statuses().length < 1000) {
    others.push(...(await Promise.all(numbers(16).map(async () => (await infer(url)).status))));
    await sleep(20);
  }
  assert.deepEqual(idsIn(greedy), numbers(1000));
  assert.ok(greedy.statuses().every((status) => status === 200));
  assert.ok(others.length >= 100 && others.every((status) => status === 200), `${others.length} others`);
  assert.equal(server.most(), 1, 'requests of the pipeline at the server at one time');
  assert.equal(await refusedFor(adminUrl, 'too_slow'), 0);
});

test('a pipeline whose answers take longer than a request may take to arrive is answered to its end', async (t) => {
  const server = await slowServer(t, 100);
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 5s'), { limits: { requestTimeoutMs: 400 } });
  const caller = await rawCaller(t, url);
  const body = 'x'.repeat(50_000); // so that some of them wait outside, cut in two
  caller.send(
    numbers(20)
      .map((i) => inferBytes(body, [`x-request-id: n${i}`]))
      .join(''),
  );
  await until(() => caller.statuses().length === 20, 'all answers', 20_000);
  assert.deepEqual(idsIn(caller), numbers(20));
  assert.ok(
    caller.statuses().every((status) => status === 200),
    caller.statuses().join(),
  );
});

test('a request that is late behind others is refused once it has had its own time', async (t) => {
  const server = await slowServer(t, 600);
  const { url, adminUrl } = await gateway(t, policyOf([server.url], 'timeout: 5s'), {
    limits: { requestTimeoutMs: 400 },
  });
  const slowBody = await rawCaller(t, url);
  slowBody.send(inferBytes('{}') + inferBytes('{', [], 100));
  const slowHead = await rawCaller(t, url);
  slowHead.send(`${inferBytes('{}')}POST /v2/models/m/inf`);
  for (const caller of [slowBody, slowHead]) {
    await until(() => caller.ended() !== undefined, 'the connection ends');
    assert.deepEqual(caller.statuses(), [200, 408]);
  }
  assert.equal(await refusedFor(adminUrl, 'too_slow'), 2);
});

test('after an answer that ends the connection nothing that waits behind it is served', async (t) => {
  const server = await slowServer(t, 50);
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 5s'));
  const caller = await rawCaller(t, url);
  caller.send(inferBytes('{}') + inferBytes('{}', ['Connection: close']) + inferBytes('{}'));
  await until(() => caller.ended() !== undefined, 'the connection ends');
  assert.deepEqual(caller.statuses(), [200, 200]);
  assert.equal(server.seen.length, 2);
});

test('what stands before bytes that are no request is served first, in order', async (t) => {
  const server = await slowServer(t, 50);
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 5s'));
  const caller = await rawCaller(t, url);
  caller.send(`${inferBytes('{}')}${inferBytes('{}')}no request\r\n\r\n`);
  await until(() => caller.ended() !== undefined, 'the connection ends');
  assert.deepEqual(caller.statuses(), [200, 200, 400]);
});

test('what stands before a path that cannot be read is served first, and nothing after it', async (t) => {
  const server = await slowServer(t, 50);
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 5s'));
  const caller = await rawCaller(t, url);
  const unreadable = inferBytes('{}').replace('/v2/models/m/', '/v2/models/%zz/');
  assert.ok(unreadable.includes('%zz'));
  caller.send(inferBytes('{}') + inferBytes('{}') + unreadable + inferBytes('{}'));
  await until(() => caller.ended() !== undefined, 'the connection ends');
  assert.deepEqual(caller.statuses(), [200, 200, 400]);
  assert.equal(server.seen.length, 2);
});

test('the admin listener serves a pipeline in order as well', async (t) => {
  const server = await slowServer(t, 5);
  const { adminUrl } = await gateway(t, policyOf([server.url]));
  const caller = await rawCaller(t, adminUrl);
  const { host } = new URL(adminUrl);
  caller.send(
    numbers(40)
      .map((i) => `GET ${i % 2 === 0 ? '/livez' : '/nowhere'} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      .join(''),
  );
  await until(() => caller.statuses().length === 40, 'all answers');
  assert.deepEqual(
    caller.statuses(),
    numbers(40).map((i) => (i % 2 === 0 ? 200 : 404)),
  );
});

test('a caller that resets its connection behind a CONNECT ends nothing but its own requests', async (t) => {
  const server = await slowServer(t, 50);
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 5s'));
  for (const ahead of ['', inferBytes('{}'), inferBytes('{}') + inferBytes('{}')]) {
    const caller = await rawCaller(t, url);
    caller.send(`${ahead}CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n`);
    await sleep(20);
    caller.socket.resetAndDestroy();
  }
  await sleep(100);
  assert.equal((await infer(url)).status, 200);
});

test('what stands before a CONNECT is served first, in order', async (t) => {
  const server = await slowServer(t, 50);
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 5s'));
  const caller = await rawCaller(t, url);
  caller.send(`${inferBytes('{}')}${inferBytes('{}')}CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n`);
  await until(() => caller.ended() !== undefined, 'the connection ends');
  assert.deepEqual(caller.statuses(), [200, 200, 501]);
});
