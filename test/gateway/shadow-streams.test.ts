// Shadows of models with protocol http: what passes is copied once the caller has it, and the caller never waits.
import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { Gateway } from '../../gateway/app.ts';
import type { ShadowStanding } from '../../gateway/standings.ts';
import { callsAt, type FakeServer, fakeServer } from '../support/fake-server.ts';
import { gateway, type TestSettings } from '../support/gateway.ts';
import { rawCaller } from '../support/raw-caller.ts';
import { until } from '../support/until.ts';

type Told = {
  readonly id: string;
  readonly kind: string;
  readonly reason?: string;
  readonly fields: readonly { field: string }[];
};

/** A server that keeps what it was sent, and answers as scripted once it has all of it. */
async function keeper(t: TestContext, script: RequestListener) {
  const bodies: string[] = [];
  const server = await fakeServer(t, async (request, response) => {
    bodies.push((await buffer(request).catch(() => Buffer.alloc(0))).toString());
    script(request, response);
  });
  return { ...server, bodies };
}

const says =
  (text: string): RequestListener =>
  (_, response) =>
    void response.setHeader('content-type', 'application/json').end(JSON.stringify({ id: Math.random(), text }));

async function setUp(
  t: TestContext,
  primary: RequestListener,
  mirrored: RequestListener,
  more = '',
  settings: TestSettings = {},
) {
  const [own, other] = [await keeper(t, primary), await keeper(t, mirrored)];
  const running = await gateway(
    t,
    `apiVersion: sluice/v1
fleet: { p: { url: "${own.url}" }, s: { url: "${other.url}" } }
models:
  chat:
    protocol: http
    prefix: /llm
    timeout: 5s
    versions: { v1: { servers: [p] }, v2: { servers: [s] } }
    baseline: v1
    ${more}
    shadow: [{ version: v2, sample: 100%, headers: [x-tenant], compare: { as: json, fields: [text] } }]
`,
    settings,
  );
  return { own, other, running };
}

function ask({ url }: Gateway, init: RequestInit = {}, path = '/llm/v1/chat?x=1') {
  return fetch(url + path, {
    method: 'POST',
    body: '{"q":1}',
    headers: { 'content-type': 'application/json' },
    ...init,
  });
}

async function comparisonsAt({ adminUrl }: Gateway, count: number): Promise<Told[]> {
  let comparisons: Told[] = [];
  await until(async () => {
    ({ comparisons } = (await (await fetch(`${adminUrl}/api/comparisons`)).json()) as { comparisons: Told[] });
    return comparisons.length >= count;
  }, `${count} comparisons`);
  assert.equal(comparisons.length, count);
  return comparisons;
}

async function countsOf({ adminUrl }: Gateway): Promise<ShadowStanding['counts']> {
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    models: { chat: { shadows: ShadowStanding[] } };
  };
  const [shadow] = status.models.chat.shadows;
  assert.ok(shadow !== undefined);
  return shadow.counts;
}

async function copyAt({ seen }: FakeServer): Promise<IncomingMessage> {
  await until(() => seen.length > 0, 'a copy');
  return seen[0] as IncomingMessage;
}

test('a copy has the method, path, query and body, the id and the named headers, and never a credential', async (t) => {
  const { other, running } = await setUp(t, says('yes'), says('no'));
  const headers = {
    'content-type': 'application/json',
    'x-request-id': 'r-1',
    'x-tenant': 'acme',
    authorization: 'Bearer secret',
    cookie: 'a=secret',
    'x-api-key': 'secret',
    'x-sluice-shadow': 'forged',
  };
  const answer = await ask(running, { headers });
  assert.deepEqual([answer.status, answer.headers.get('x-sluice-version')], [200, 'v1']);
  assert.match(await answer.text(), /yes/);
  const { method, url, headers: sent, rawHeaders } = await copyAt(other);
  assert.deepEqual([method, url, other.bodies[0]], ['POST', '/v1/chat?x=1', '{"q":1}']);
  assert.deepEqual([sent['x-request-id'], sent['x-sluice-shadow'], sent['x-tenant']], ['r-1', 'v2', 'acme']);
  assert.doesNotMatch(rawHeaders.join(), /secret|forged/);
  const [comparison] = await comparisonsAt(running, 1);
  assert.deepEqual([comparison?.id, comparison?.kind], ['r-1', 'different']);
  assert.deepEqual(
    comparison?.fields.map(({ field }) => field),
    ['text'],
    'the id differs too, and is not asked for',
  );
});

test('a copy never carries a credential of the query, and all else of it', async (t) => {
  const { own, other, running } = await setUp(t, says('yes'), says('yes'));
  const answer = await ask(running, {}, '/llm/v1/chat?q=a%20b&api_key=secret&max_tokens=5');
  assert.equal(answer.status, 200);
  assert.equal((await copyAt(other)).url, '/v1/chat?q=a%20b&max_tokens=5');
  assert.equal(own.seen[0]?.url, '/v1/chat?q=a%20b&api_key=secret&max_tokens=5');
});

test('a GET is copied without a body; what may change something is not copied at all', async (t) => {
  const { own, other, running } = await setUp(t, says('yes'), says('yes'));
  for (const method of ['PUT', 'DELETE', 'PATCH'])
    assert.equal((await ask(running, { method, body: method === 'DELETE' ? null : '{}' })).status, 200);
  const answer = await ask(running, { method: 'GET', body: null }, '/llm/v1/models');
  assert.equal(answer.status, 200);
  const { method, url, headers } = await copyAt(other);
  assert.deepEqual([method, url, headers['content-length']], ['GET', '/v1/models', undefined]);
  assert.equal((await comparisonsAt(running, 1))[0]?.kind, 'same');
  assert.deepEqual([callsAt(own).length, other.seen.length, (await countsOf(running)).offered], [4, 1, 1]);
});

test('a compressed answer is compared by what is in it', async (t) => {
  const packers = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
  const packed: RequestListener = ({ headers }, response) => {
    const encoding = String(headers['x-pack']) as keyof typeof packers;
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding });
    response.end(packers[encoding](JSON.stringify({ text: 'yes' })));
  };
  const { running } = await setUp(t, packed, says('yes'));
  for (const encoding of Object.keys(packers)) {
    const answer = await ask(running, { headers: { 'x-pack': encoding } });
    assert.deepEqual(await answer.json(), { text: 'yes' }, encoding);
  }
  assert.deepEqual(
    (await comparisonsAt(running, 3)).map(({ kind, reason }) => [kind, reason]),
    Array.from({ length: 3 }, () => ['same', undefined]),
  );
});

test('server-sent events reach the caller one by one while they are kept, and are copied when they have ended', async (t) => {
  let went = () => {};
  const ended = new Promise<void>((resolve) => {
    went = resolve;
  });
  const events: RequestListener = async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: one\n\n');
    await ended;
    response.end('data: two\n\n');
  };
  const { other, running } = await setUp(t, events, events);
  const answer = await ask(running);
  const reader = answer.body?.getReader();
  assert.equal(new TextDecoder().decode((await reader?.read())?.value), 'data: one\n\n');
  await sleep(50);
  assert.equal(other.seen.length, 0, 'nothing is copied while the caller waits');
  went();
  assert.equal(new TextDecoder().decode((await reader?.read())?.value), 'data: two\n\n');
  await copyAt(other);
  assert.equal((await comparisonsAt(running, 1))[0]?.kind, 'same');
});

test('what is too large is passed on whole and not copied, and the next one is', async (t) => {
  const large = 'x'.repeat(5 * 1024 * 1024);
  const { own, running } = await setUp(
    t,
    ({ url }, response) => void response.end(url === '/large' ? large : '{"text":"yes"}'),
    says('yes'),
    '',
    { limits: { bodyLimit: 2 * large.length } },
  );
  assert.equal((await (await ask(running, {}, '/llm/large')).text()).length, large.length);
  assert.equal((await ask(running, { body: large })).status, 200);
  assert.equal(own.bodies[1]?.length, large.length);
  assert.equal((await ask(running)).status, 200);
  await comparisonsAt(running, 1);
  const { offered, sent, dropped } = await countsOf(running);
  assert.deepEqual([offered, sent, dropped.too_large], [3, 1, 2]);
});

test('an upload that was broken off is not copied: half a request says nothing of the shadow', async (t) => {
  const { running } = await setUp(t, says('yes'), says('yes'), '', { limits: { requestTimeoutMs: 500 } });
  const caller = await rawCaller(t, running.url);
  caller.send('POST /llm/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
  await until(() => caller.statuses()[0] === 408, 'a refusal');
  await until(async () => (await countsOf(running)).offered === 1, 'the offer of a copy');
  const { sent, dropped } = await countsOf(running);
  assert.deepEqual([sent, dropped.incomplete], [0, 1]);
});

test('callers who leave, and answers that are cut off, do no harm', async (t) => {
  const { other, running } = await setUp(
    t,
    ({ url }, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"text":');
      if (url === '/cut') setTimeout(() => response.destroy(), 20);
    },
    says('yes'),
  );
  const leaving = await ask(running, { signal: AbortSignal.timeout(100) });
  await assert.rejects(leaving.text());
  await until(async () => (await countsOf(running)).dropped.client_left === 1, 'the one who left');
  await assert.rejects(async () => (await ask(running, {}, '/llm/cut')).text());
  assert.equal((await comparisonsAt(running, 1))[0]?.kind, 'baseline_error');
  assert.equal(other.seen.length, 1);
});

test('a body that comes in pieces is copied whole', async (t) => {
  const { other, running } = await setUp(t, says('yes'), says('yes'));
  const { port } = new URL(running.url);
  const request = httpRequest({ port, host: '127.0.0.1', path: '/llm/x', method: 'POST' });
  for (const piece of ['{"a":', '1', '}']) {
    request.write(piece);
    await sleep(20);
  }
  const answered = new Promise<IncomingMessage>((resolve) => request.on('response', resolve));
  request.end();
  (await answered).resume();
  await copyAt(other);
  assert.equal(other.bodies[0], '{"a":1}');
});

test('the baseline is asked again only where the policy calls the model idempotent', async (t) => {
  for (const [more, again] of [
    ['', false],
    ['idempotent: true', true],
  ] as const) {
    const { own, running } = await setUp(t, says('yes'), says('yes'), more);
    for (let i = 0; i < 400; i++) await (await ask(running, { headers: { 'x-request-id': `r-${i}` } })).arrayBuffer();
    await until(async () => {
      const { offered, answered } = await countsOf(running);
      return offered === 400 && answered === 400;
    }, 'every copy');
    assert.equal(own.seen.length > 400, again, `${own.seen.length} requests with "${more}"`);
  }
});
