// What the receiving side promises holds for models of protocol http too, whose requests and answers no hook sees whole.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { fakeServer, silent } from '../support/fake-server.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { inferBytes, rawCaller } from '../support/raw-caller.ts';
import { exchangeRaw } from '../support/raw-exchange.ts';
import { until } from '../support/until.ts';

/** A gateway over one server with a model of protocol http below /chat. */
async function streaming(t: TestContext, script: RequestListener) {
  const server = await fakeServer(t, script);
  const policy = `apiVersion: sluice/v1
fleet: { a: { url: "${server.url}" } }
models:
  chat: { protocol: http, prefix: /chat, timeout: 5s, versions: { v1: { servers: [a] } }, baseline: v1 }
`;
  const { url, adminUrl } = await gateway(t, policy);
  /** The requests of callers, without readiness probes. */
  const seen = () => server.seen.filter(({ method }) => method === 'POST');
  return { url, adminUrl, seen };
}

function post(path: string, headers: readonly string[], body: string): string {
  return `${[`POST ${path} HTTP/1.1`, 'Host: sluice.test', ...headers].join('\r\n')}\r\n\r\n${body}`;
}

test('A20: a streamed body is asked for too', async (t) => {
  const { url } = await streaming(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-length': 2 }).end('{}'));
  });
  const caller = await rawCaller(t, url);
  caller.send(post('/chat/say', ['Expect: 100-continue', 'Content-Length: 2'], ''));
  await until(() => caller.text() === 'HTTP/1.1 100 Continue\r\n\r\n', 'the body is asked for');
  caller.send('{}');
  await until(() => caller.statuses()[0] === 200, 'an answer');
});

test('B15: an answer that overtakes its streamed request is relayed, and ends the connection', async (t) => {
  const { url, seen } = await streaming(t, (_request, response) => {
    response.writeHead(400, { 'content-length': 2 }).end('no');
  });
  const caller = await rawCaller(t, url);
  caller.send(post('/chat/say', ['Content-Length: 1000'], 'x'));
  await until(() => caller.statuses()[0] === 400, 'the answer');
  await until(() => caller.ended() !== undefined, 'the end of the connection');
  assert.equal(seen().length, 1);
});

test('A19: what comes behind a streamed request that asks for an upgrade is not served', async (t) => {
  const { url, seen } = await streaming(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-length': 2 }).end('{}'));
  });
  const upgrade = post('/chat/say', ['Connection: upgrade', 'Upgrade: foo', 'Content-Length: 2'], '{}');
  const behind = post('/chat/say', ['Content-Length: 8'], 'SMUGGLED');
  const { statuses, isClosed, text } = await exchangeRaw(url, upgrade + behind, {
    answers: 2,
    quietMs: 0,
    atMostMs: 10_000,
  });
  assert.deepEqual(statuses, [200]);
  assert.ok(isClosed);
  assert.match(text, /connection: close\r\n/i);
  assert.equal(seen().length, 1);
});

test('C2: no path below a prefix leads out of it, however it is spelt', async (t) => {
  const { url, seen } = await streaming(t, (request, response) => {
    request.resume().on('end', () => response.writeHead(200, { 'content-length': 2 }).end('{}'));
  });
  const patience = { answers: 1, quietMs: 0, atMostMs: 10_000 };
  const outside = [
    '/chat/../admin',
    '/chat/%2e%2e/admin',
    '/chat/..%2fadmin',
    '/chat/a%2F..%2Fadmin',
    '/chat/%5c..%5cadmin',
  ];
  for (const path of outside) {
    const { statuses } = await exchangeRaw(url, post(path, ['Content-Length: 2'], '{}'), patience);
    assert.deepEqual(statuses, [400], path);
  }
  assert.equal(seen().length, 0);
  for (const path of ['/chat/org%2fname', '/chat/..name', '/chat/1.0/x..y?next=/../a']) {
    const { statuses } = await exchangeRaw(url, post(path, ['Content-Length: 2'], '{}'), patience);
    assert.deepEqual(statuses, [200], path);
    assert.equal(seen().at(-1)?.url, path.slice('/chat'.length));
  }
});

test('A29: with the caller its pipelined requests end as well: the one at the server, and those that wait unsent', async (t) => {
  const server = await fakeServer(t, silent);
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 10s'));
  const posts = () => server.seen.filter(({ method }) => method === 'POST');
  const caller = await rawCaller(t, url);
  caller.send(inferBytes('1') + inferBytes('2') + inferBytes('3'));
  await until(() => posts().length === 1, 'the first is at the server');
  caller.socket.destroy();
  await until(() => posts().every(({ socket }) => socket.destroyed), 'it is cancelled');
  assert.equal((await infer(url, { signal: AbortSignal.timeout(200) }).catch(() => undefined))?.status, undefined);
  assert.equal(posts().length, 2, 'the others were never sent');
});
