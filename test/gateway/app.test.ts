import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { raw } from '../support/raw.ts';
import { until } from '../support/until.ts';

async function errorOf(response: Response): Promise<string> {
  assert.equal(response.headers.get('content-type'), 'application/json');
  const body = (await response.json()) as { error: string };
  assert.deepEqual(Object.keys(body), ['error']);
  return body.error;
}

type Status = { fleet: Record<string, { standing: string; failuresInARow: number }> };

/** An address where nothing listens. */
async function closedPort(): Promise<string> {
  const [port] = await freePorts(1);
  return `http://127.0.0.1:${port}`;
}

test('an answer comes back byte for byte, with what decided it', async (t) => {
  const body = '{"outputs":[{"data":[9007199254740993,NaN]}], "x":1,"x":2}';
  const { url: server, seen } = await fakeServer(t, (request, response) => {
    request
      .resume()
      .on('end', () => response.writeHead(200, { 'content-type': 'application/json', 'x-kept': 'yes' }).end(body));
  });
  const { url } = await gateway(t, policyOf([server]));
  const response = await infer(url, { headers: { 'x-request-id': 'abc-1', authorization: 'Bearer caller' } });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), body);
  const header = (name: string) => response.headers.get(name);
  assert.deepEqual(
    ['content-type', 'x-sluice-model', 'x-sluice-version', 'x-sluice-why', 'x-request-id', 'x-kept'].map(header),
    ['application/json', 'm', 'v1', 'baseline', 'abc-1', 'yes'],
  );
  assert.equal(seen[0]?.url, '/v2/models/m/infer');
  assert.equal(seen[0]?.headers['x-request-id'], 'abc-1');
  assert.equal(seen[0]?.headers.authorization, 'Bearer caller');
});

test('a request body reaches the server byte for byte, whatever type it says it has', async (t) => {
  const TYPES = ['application/json', 'application/octet-stream', 'text/plain', 'foo', ';;;', 'text/', 'a/b; charset'];
  const bodies: Buffer[] = [];
  const { url: server, seen } = await fakeServer(t, async (request, response) => {
    bodies.push(Buffer.concat(await request.toArray()));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  const { url } = await gateway(t, policyOf([server]));
  const body = Buffer.from([0x7b, 0xff, 0x00, 0x7d]);
  for (const type of TYPES)
    assert.equal((await infer(url, { body, headers: { 'content-type': type } })).status, 200, type);
  for (const received of bodies) assert.deepEqual(received, body);
  assert.equal(bodies.length, TYPES.length);
  assert.deepEqual(
    seen.map(({ headers }) => headers['content-type']),
    TYPES,
  );
});

test('unknown models, versions and paths are 404, and a pin that is not allowed is 403', async (t) => {
  const { url: server } = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([server]));
  const post = (path: string, headers = {}) => fetch(url + path, { method: 'POST', body: '{}', headers });
  for (const path of [
    '/v2/models/none/infer',
    '/v2/models/__proto__/infer',
    '/v2/models/..%2f..%2fetc/infer',
    '/v1/models/none:predict',
  ])
    assert.match(await errorOf(await post(path)), /^unknown model/, path);
  assert.equal(
    await errorOf(await post('/v2/models/m/versions/v9/infer')),
    'unknown version: model m has no such version',
  );
  assert.equal((await post('/v2/models/m/versions/v9/infer')).status, 404);
  assert.equal((await post('/v2/models/m/versions/v1/infer')).status, 403);
  assert.equal((await post('/v2/models/m/infer', { 'x-sluice-version': 'v1' })).status, 403);
  for (const path of ['/', '/v2/models', '/v1/models/m:explain', '/v2/models/m/infer/x', '/%zz']) {
    const response = await post(path);
    assert.ok(response.status === 404 || response.status === 400, `${path} ${response.status}`);
    await errorOf(response);
  }
});

test('v1 predict, metadata and readiness go to the path of the version', async (t) => {
  const { url: server, seen } = await fakeServer(t, answering({ fine: true }));
  const { url } = await gateway(t, policyOf([server]));
  await fetch(`${url}/v1/models/m:predict`, { method: 'POST', body: '{"instances":[]}' });
  await fetch(`${url}/v2/models/m`);
  await fetch(`${url}/v2/models/m/ready`);
  assert.deepEqual(
    seen.map(({ method, url: path }) => `${method} ${path}`),
    ['POST /v1/models/m:predict', 'GET /v2/models/m', 'GET /v2/models/m/ready'],
  );
});

test('a 400 of the server stays as it is, and its 500 becomes 502 with the same reason', async (t) => {
  for (const [status, expected] of [
    [400, 400],
    [404, 404],
    [429, 429],
    [500, 502],
    [503, 503],
  ] as const) {
    const { url: server } = await fakeServer(t, answering({ error: `reason ${status}` }, status));
    const { url } = await gateway(t, policyOf([server]));
    const response = await infer(url);
    assert.equal(response.status, expected);
    assert.equal(await errorOf(response), `reason ${status}`);
    assert.equal(response.headers.get('x-sluice-version'), 'v1');
  }
});

test('a server that cannot be reached is 502 without its address', async (t) => {
  const { url } = await gateway(t, policyOf([await closedPort()]));
  const response = await infer(url);
  assert.equal(response.status, 502);
  assert.equal(await errorOf(response), 'the model server could not be reached');
});

test('a server that resets, cuts its answer short, sends no length or redirects is 502', async (t) => {
  const scripts = {
    reset: (_request: unknown, response: { destroy: () => void }) => response.destroy(),
    cut: (_request: unknown, response: import('node:http').ServerResponse) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"a":');
      setTimeout(() => response.destroy(), 20);
    },
    endless: (request: import('node:http').IncomingMessage) =>
      request.socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"a":'),
    redirect: (_request: unknown, response: import('node:http').ServerResponse) =>
      response.writeHead(302, { location: 'http://internal.test/' }).end(),
  };
  for (const [name, script] of Object.entries(scripts)) {
    const { url: server } = await fakeServer(t, script as never);
    const { url } = await gateway(t, policyOf([server]));
    const response = await infer(url);
    assert.equal(response.status, 502, name);
    assert.equal(response.headers.get('location'), null);
    const told = { endless: /whose end is uncertain/, redirect: /redirected the request/ }[name];
    assert.match((await errorOf(response)) ?? '', told ?? /^the model server broke off its answer$/, name);
  }
});

test('a server that never answers is 504 at the deadline, and its request is cancelled', async (t) => {
  const { url: server, seen } = await fakeServer(t, silent);
  const { url } = await gateway(t, policyOf([server], 'timeout: 200ms'));
  const start = performance.now();
  const response = await infer(url);
  const waited = performance.now() - start;
  assert.equal(response.status, 504);
  assert.equal(await errorOf(response), 'no answer within the timeout of the model');
  assert.ok(waited >= 195 && waited < 1000, `waited ${waited} ms`);
  await until(() => seen[0]?.socket.destroyed === true, 'the request is cancelled');
});

test('a server that trickles its answer is 504 at the same total deadline', async (t) => {
  const { url: server } = await fakeServer(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    const trickle = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(trickle));
  });
  const { url } = await gateway(t, policyOf([server], 'timeout: 200ms'));
  assert.equal((await infer(url)).status, 504);
});

test('20 of 20 abandoned requests are cancelled at the server', async (t) => {
  const { url: server, seen } = await fakeServer(t, silent);
  const { url } = await gateway(t, policyOf([server], 'timeout: 10s'));
  const abort = new AbortController();
  const calls = Array.from({ length: 20 }, () => infer(url, { signal: abort.signal }).catch(() => 'left'));
  await until(() => seen.length === 20, '20 requests at the server');
  abort.abort();
  assert.deepEqual(await Promise.all(calls), Array(20).fill('left'));
  await until(() => seen.every(({ socket }) => socket.destroyed), 'all are cancelled');
});

test('beyond the in-flight cap callers get 429 with Retry-After at once', async (t) => {
  const { url: server, seen } = await fakeServer(t, silent);
  const policy = policyOf([server], 'timeout: 1s').replace(`"${server}"`, `"${server}", max_in_flight: 2`);
  const { url } = await gateway(t, policy);
  const held = [infer(url), infer(url)];
  await until(() => seen.length === 2, 'two requests at the server');
  const response = await infer(url);
  assert.equal(response.status, 429);
  assert.equal(response.headers.get('retry-after'), '1');
  assert.deepEqual(
    (await Promise.all(held)).map(({ status }) => status),
    [504, 504],
  );
});

test('a body over the limit is 413', async (t) => {
  const { url: server, seen } = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([server]), { limits: { bodyLimit: 1000 } });
  const response = await infer(url, { body: 'x'.repeat(1001) });
  assert.equal(response.status, 413);
  assert.equal(await errorOf(response), 'the request body is larger than this gateway accepts: 1000B');
  assert.equal(seen.length, 0);
});

test('a request with Expect, Keep-Alive or Upgrade headers is answered', async (t) => {
  const { url: server } = await fakeServer(t, answering({ ok: 1 }));
  const { url } = await gateway(t, policyOf([server]));
  for (const header of ['Expect: 100-continue', 'Keep-Alive: timeout=5', 'Upgrade: h2c', 'TE: trailers']) {
    const answer = await raw(
      url,
      `POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n${header}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    );
    assert.match(answer, /HTTP\/1\.1 200 OK[\s\S]*\{"ok":1\}/, header);
  }
});

test('two dead servers of three cost callers next to nothing, and are hardly asked', async (t) => {
  const good = await fakeServer(t, answering({ good: true }));
  const { url, adminUrl } = await gateway(t, policyOf([await closedPort(), good.url, await closedPort()]));
  const statuses: number[] = [];
  for (let i = 0; i < 100; i++) statuses.push((await infer(url)).status);
  // Six failures find both out; the repeats for them are on credit.
  assert.ok(statuses.filter((status) => status !== 200).length <= 2, statuses.join(' '));
  assert.deepEqual(statuses.slice(50), Array(50).fill(200));
  const { fleet } = (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
  assert.equal(fleet.s1?.failuresInARow, 0);
  for (const name of ['s0', 's2']) assert.ok((fleet[name]?.failuresInARow ?? 99) <= 3, JSON.stringify(fleet[name]));
});

test('metrics count by version and outcome, and unknown names make no series', async (t) => {
  const { url: server } = await fakeServer(t, answering({}));
  const { url, adminUrl } = await gateway(t, policyOf([server]));
  for (let i = 0; i < 3; i++) await infer(url);
  for (let i = 0; i < 50; i++) await infer(url, {}, `random-${i}`);
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  assert.match(text, /^sluice_requests_total\{model="m",version="v1",outcome="ok"\} 3$/m);
  assert.match(text, /^sluice_request_duration_seconds_count\{model="m",version="v1"\} 3$/m);
  assert.match(text, /^sluice_refused_requests_total\{reason="unknown_model"\} 50$/m);
  assert.doesNotMatch(text, /random-/);
});

test('beyond loopback the admin listener wants a token: no start without one, 401 without showing it', async (t) => {
  const { url: server } = await fakeServer(t, answering({}));
  await assert.rejects(gateway(t, policyOf([server]), { adminHost: '0.0.0.0' }), /SLUICE_ADMIN_TOKEN/);
  const { adminUrl } = await gateway(t, policyOf([server]), { adminToken: 'secret' });
  const status = (authorization?: string) =>
    fetch(`${adminUrl}/api/status`, { headers: authorization ? { authorization } : {} });
  assert.equal((await status()).status, 401);
  assert.equal((await status('Bearer wrong')).status, 401);
  assert.equal((await status('Bearer secret')).status, 200);
  assert.equal((await fetch(`${adminUrl}/readyz`)).status, 200);
});

test('closing answers what is in flight, turns readiness off first and refuses nothing during the grace', async (t) => {
  const { url: server } = await fakeServer(t, (request, response) => {
    request.resume();
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'), 300);
  });
  const started = await gateway(t, policyOf([server]), { drainGraceMs: 1500 });
  const inFlight = infer(started.url);
  await sleep(50);
  const closed = started.close();
  await sleep(50);
  assert.equal((await fetch(`${started.adminUrl}/readyz`)).status, 503);
  const during = await infer(started.url);
  assert.equal(during.status, 200);
  assert.equal(during.headers.get('connection'), 'close');
  assert.equal((await inFlight).status, 200);
  await closed;
  await assert.rejects(infer(started.url));
});

test('a name of any length is 404, and what is no HTTP gets its answer as JSON too', async (t) => {
  const { url: server } = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([server]));
  for (const path of [`/v2/models/${'x'.repeat(300)}/infer`, '/%zz', '/v2/models/%00/infer'])
    await errorOf(await fetch(url + path, { method: 'POST', body: '{}' }));
  const cases: readonly (readonly [string, number])[] = [
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['nonsense\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(17_000)}\r\n\r\n`, 431],
    ['POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}', 400],
    [
      'POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\nExpect: banana\r\n\r\n{}',
      417,
    ],
  ];
  for (const [bytes, status] of cases) {
    const answer = await raw(url, bytes);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), bytes.slice(0, 60));
    assert.match(answer, /content-type: application\/json\r\n/i, bytes.slice(0, 60));
    assert.match(answer, /\r\n\r\n\{"error":"[^"]+"\}$/, bytes.slice(0, 60));
  }
});

test('a server that says 503 gets no second chance from it: callers are answered by the healthy one', async (t) => {
  let isLoading = false;
  const flaky = await fakeServer(t, (request, response) => {
    if (isLoading) answering({ error: 'loading' }, 503)(request, response);
    else response.destroy();
  });
  const good = await fakeServer(t, answering({ good: true }));
  const { url, adminUrl } = await gateway(
    t,
    policyOf([flaky.url, good.url], 'timeout: 1s\n    pins: any').replace(
      '{ v1: { servers: [s0, s1] } }',
      '{ v1: { servers: [s0, s1] }, v2: { servers: [s0] } }',
    ),
  );
  const standing = async () => ((await (await fetch(`${adminUrl}/api/status`)).json()) as Status).fleet.s0?.standing;
  for (let i = 0; i < 3; i++) await infer(url, { headers: { 'x-sluice-version': 'v2' } });
  assert.equal(await standing(), 'ejected');
  isLoading = true;
  await sleep(1100); // its first ejection is over; it is probed once, says 503 and is left alone again
  const statuses: number[] = [];
  for (let i = 0; i < 50; i++) statuses.push((await infer(url)).status);
  assert.deepEqual(statuses, Array(50).fill(200));
  assert.equal(await standing(), 'ejected');
});

test('a request that never arrives whole does not hold up the end', async (t) => {
  const { url: server } = await fakeServer(t, answering({}));
  const started = await gateway(t, policyOf([server], 'timeout: 100ms'));
  const half = 'POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{';
  const ends = [raw(started.url, half), raw(started.url, ''), raw(started.adminUrl, 'GET /li')];
  await sleep(100);
  const start = performance.now();
  await started.close();
  assert.ok(performance.now() - start < 5000, 'closed within the deadline of the model and a little');
  await Promise.allSettled(ends);
});
