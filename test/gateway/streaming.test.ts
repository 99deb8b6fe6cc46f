// Models of protocol http: anything below a prefix, streamed both ways.
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, type FakeServer, fakeServer, silent } from '../support/fake-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { gateway, type TestSettings } from '../support/gateway.ts';
import { raw } from '../support/raw.ts';
import { until } from '../support/until.ts';

function policyFor(urls: readonly string[], more = ''): string {
  const fleet = urls.map((url, i) => `  s${i}: { url: "${url}" }`).join('\n');
  const names = urls.map((_, i) => `s${i}`).join(', ');
  return `apiVersion: sluice/v1\nfleet:\n${fleet}\nmodels:\n  chat:\n    protocol: http\n    prefix: /llm\n    timeout: 5s\n    versions: { v1: { servers: [${names}] } }\n    baseline: v1\n    ${more}\n`;
}

async function setup(t: TestContext, script: RequestListener, more = '', settings: TestSettings = {}) {
  const server: FakeServer = await fakeServer(t, script);
  const started = await gateway(t, policyFor([server.url], more), settings);
  return { url: started.url, adminUrl: started.adminUrl, server };
}

const echo: RequestListener = (request, response) => {
  response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'text/plain' });
  request.pipe(response);
};

test('any method and path below the prefix reaches the server without the prefix, and its answer comes back as it is', async (t) => {
  const { url, server } = await setup(t, (request, response) => {
    request.resume();
    response.writeHead(request.method === 'DELETE' ? 500 : 207, { 'x-own': 'yes', 'set-cookie': ['a=1', 'b=2'] });
    response.end(`${request.method} ${request.url}`);
  });
  for (const [method, path, at] of [
    ['GET', '/llm/v1/models?x=1&y=%2F', '/v1/models?x=1&y=%2F'],
    ['PUT', '/llm/a%20b//c', '/a%20b//c'],
    ['PATCH', '/llm', '/'],
    ['POST', '/llm?q', '/?q'],
  ] as const) {
    const response = await fetch(url + path, { method, headers: { range: 'bytes=0-1' } });
    assert.equal(response.status, 207);
    assert.equal(await response.text(), `${method} ${at}`);
    assert.equal(response.headers.get('x-own'), 'yes');
    assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
    assert.deepEqual(
      ['x-sluice-model', 'x-sluice-version', 'x-sluice-why'].map((name) => response.headers.get(name)),
      ['chat', 'v1', 'baseline'],
    );
    assert.match(response.headers.get('x-request-id') ?? '', /./);
  }
  assert.equal(server.seen[0]?.headers.range, 'bytes=0-1');
  assert.match(String(server.seen[0]?.headers['x-sluice-deadline-ms']), /^\d+$/);
  assert.equal((await fetch(`${url}/llm/x`, { method: 'DELETE' })).status, 500, 'the server speaks for itself here');
  const head = await fetch(`${url}/llm/x`, { method: 'HEAD' });
  assert.equal(head.status, 207);
  assert.equal(await head.text(), '');
});

test('what is not below the prefix, or steps out of it, reaches no server', async (t) => {
  const { url, server } = await setup(t, echo);
  assert.equal((await fetch(`${url}/llmx/v1`)).status, 404);
  assert.equal((await fetch(`${url}/v2/models/chat/infer`, { method: 'POST', body: '{}' })).status, 404);
  for (const path of ['/llm/../v2', '/llm/a/%2e%2e/b', '/llm/.', '/llm/%2E/x'])
    assert.match(
      await raw(url, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
      /^HTTP\/1\.1 400 /,
      path,
    );
  const upgrade =
    'GET /llm/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n';
  assert.match(await raw(url, upgrade), /^HTTP\/1\.1 501 [\s\S]*websockets are not passed on/);
  assert.equal(server.seen.length, 0);
});

test('server-sent events arrive one by one, as they are sent', async (t) => {
  let next: (() => void) | undefined;
  const { url } = await setup(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let i = 0;
    next = () => (i < 5 ? response.write(`data: ${i++}\n\n`) : response.end());
    response.flushHeaders();
  });
  const response = await fetch(`${url}/llm/events`);
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  for (let i = 0; i < 5; i++) {
    next?.(); // the next one is sent only after the one before was read
    assert.equal((await reader.read()).value, `data: ${i}\n\n`);
  }
  next?.();
  assert.equal((await reader.read()).done, true);
});

test('a body of 20 MB goes up and down whole, and a body over the limit is 413, said or not', async (t) => {
  const { url } = await setup(t, echo, '', { limits: { bodyLimit: 21_000_000 } });
  const sent = Buffer.alloc(20_000_000, 'abc');
  const back = Buffer.from(await (await fetch(`${url}/llm/echo`, { method: 'POST', body: sent })).arrayBuffer());
  assert.ok(back.equals(sent));
  const small = await setup(t, (request, response) => void request.resume().on('end', () => response.end('ok')), '', {
    limits: { bodyLimit: 1000 },
  });
  const said = await fetch(`${small.url}/llm/x`, { method: 'POST', body: 'x'.repeat(1001) });
  assert.equal(said.status, 413);
  assert.match(await said.text(), /larger than this gateway accepts: 1000B/);
  const chunked = `POST /llm/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`;
  assert.match(await raw(small.url, chunked), /^HTTP\/1\.1 413 [\s\S]*larger than this gateway accepts: 1000B/);
});

test('a caller that waits for 100-continue is asked for its body', async (t) => {
  const { url } = await setup(t, echo);
  const answer = await raw(
    url,
    'POST /llm/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi',
  );
  assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*hi/);
});

/** Reads an answer as bytes and tells whether it ended whole. */
function receive(url: string, onData: (received: IncomingMessage) => void = () => {}): Promise<'whole' | 'cut'> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, (received) => {
      received.on('data', () => onData(received));
      received
        .on('end', () => resolve('whole'))
        .on('error', () => {})
        .on('close', () => resolve('cut'));
    });
    outgoing.on('error', reject).end();
  });
}

test('a stream that the server cuts, that stalls, or that outlasts the deadline never ends as a whole answer', async (t) => {
  const begin: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
  };
  const cut = await setup(t, (request, response) => {
    begin(request, response);
    setTimeout(() => response.destroy(), 50);
  });
  assert.equal(await receive(`${cut.url}/llm/x`), 'cut');
  const stalled = await setup(t, begin, 'idle_timeout: 200ms');
  assert.equal(await receive(`${stalled.url}/llm/x`), 'cut');
  const endless = await setup(t, (request, response) => {
    begin(request, response);
    const more = setInterval(() => response.write('data: 2\n\n'), 20);
    response.on('close', () => clearInterval(more));
  });
  const start = performance.now();
  assert.equal(await receive(`${endless.url}/llm/x`), 'cut');
  assert.ok(performance.now() - start >= 4900, 'cut at the deadline of 5 s');
  const unlimited = await setup(
    t,
    (request) => void request.socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf'),
  );
  assert.equal((await fetch(`${unlimited.url}/llm/x`)).status, 502, 'without a length nobody could tell');
});

test('before the first byte, failures are 502 and 504, and a dead server is passed over, body and all', async (t) => {
  const mute = await fakeServer(t, silent);
  const slow = await gateway(t, policyFor([mute.url]).replace('timeout: 5s', 'timeout: 200ms'));
  assert.equal((await fetch(`${slow.url}/llm/x`)).status, 504);
  await until(() => mute.seen[0]?.socket.destroyed === true, 'the request is cancelled');
  const [port] = await freePorts(1);
  const dead = `http://127.0.0.1:${port}`;
  const alone = await gateway(t, policyFor([dead]));
  const refused = await fetch(`${alone.url}/llm/x`, { method: 'POST', body: 'x' });
  assert.equal(refused.status, 502);
  assert.doesNotMatch(await refused.text(), /127\.0\.0\.1/);
  const live = await fakeServer(t, echo);
  const both = await gateway(t, policyFor([dead, live.url]));
  for (let i = 0; i < 10; i++) {
    const response = await fetch(`${both.url}/llm/x`, { method: 'POST', body: `body ${i}` });
    assert.equal(await response.text(), `body ${i}`);
  }
});

test('a caller that leaves a stream cancels it at the server, and one that reads slowly is not read ahead of', async (t) => {
  const leaving = await setup(t, (_request, response) => {
    response.writeHead(200).write('x');
  });
  await receive(`${leaving.url}/llm/x`, (received) => received.destroy()).catch(() => {});
  await until(() => leaving.server.seen[0]?.socket.destroyed === true, 'the stream is cancelled');
  let written = 0;
  const flood = await setup(t, async (_request, response) => {
    response.writeHead(200);
    const piece = Buffer.alloc(64 * 1024);
    while (written < 512 * 1024 * 1024 && !response.destroyed) {
      written += piece.length;
      if (!response.write(piece)) await new Promise((go) => response.once('drain', go).once('close', go));
    }
  });
  const slow = httpRequest(`${flood.url}/llm/x`, (received) => received.pause()).on('error', () => {});
  slow.end();
  await until(() => written > 0, 'the flood begins');
  await sleep(1000);
  assert.ok(written < 64 * 1024 * 1024, `${written} bytes were taken from the server for a caller that reads nothing`);
  slow.destroy();
});

test('a redirect comes back as callers can follow it', async (t) => {
  const target = { at: '' };
  const { url, server } = await setup(t, (request, response) => {
    request.resume();
    response.writeHead(307, { location: target.at, 'content-length': 0 }).end();
  });
  for (const [at, outside] of [
    ['/v1/new?x=1', '/llm/v1/new?x=1'],
    [`${server.url}/v1/new`, '/llm/v1/new'],
    ['https://elsewhere.test/x', 'https://elsewhere.test/x'],
  ] as const) {
    target.at = at;
    const response = await fetch(`${url}/llm/old`, { redirect: 'manual' });
    assert.equal(response.status, 307);
    assert.equal(response.headers.get('location'), outside);
  }
});

test('a canary by header sorts streams too, and they are counted like any request', async (t) => {
  const a = await fakeServer(t, answering({ from: 'a' }));
  const b = await fakeServer(t, answering({ from: 'b' }));
  const policy = policyFor(
    [a.url, b.url],
    'rollout: { id: chat-v2, candidate: v2, unit: header x-user-id, steps: [100%] }',
  ).replace('{ v1: { servers: [s0, s1] } }', '{ v1: { servers: [s0] }, v2: { servers: [s1] } }');
  const { url, adminUrl } = await gateway(t, policy);
  const response = await fetch(`${url}/llm/x`, { headers: { 'x-user-id': 'ada' } });
  assert.deepEqual(await response.json(), { from: 'b' });
  assert.equal(response.headers.get('x-sluice-version'), 'v2');
  await until(
    async () =>
      /^sluice_requests_total\{model="chat",version="v2",outcome="ok"\} 1$/m.test(
        await (await fetch(`${adminUrl}/metrics`)).text(),
      ),
    'the stream is counted',
  );
});
