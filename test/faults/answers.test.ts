// Answers of servers that are not whole, that cannot be told to be whole, or that are more than this gateway takes: rows F6,
// F7, F11 and F21 of the catalogue. What is our limit is never held against a server or a version.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { rawCaller } from '../support/raw-caller.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
const JSON_TYPE = { 'content-type': 'application/json' };

const BROKE_OFF = 'the model server broke off its answer';
const MALFORMED = /an answer that is not HTTP, or whose end is uncertain/;
const REDIRECTED = /redirected the request, which this gateway does not follow/;
const TOO_LARGE = /the answer is larger than this gateway takes: 64MiB, and 16KiB for its header/;

/** A server that sends these bytes to whoever asks, and ends the connection, orderly or by a reset. */
function sending(head: readonly string[], body: string | Buffer, isReset = false): RequestListener {
  return (request) => {
    request.resume().on('end', () => {
      const { socket } = request;
      socket.write(`${['HTTP/1.1 200 OK', 'content-type: application/json', ...head].join('\r\n')}\r\n\r\n`, 'latin1');
      socket.write(body);
      if (isReset) setTimeout(() => socket.resetAndDestroy(), 20);
      else socket.end();
    });
  };
}

const ZIPPED = gzipSync('{"outputs":[]}');
const CHUNKED_ZIP = Buffer.concat([
  Buffer.from(`${ZIPPED.length.toString(16)}\r\n`),
  ZIPPED,
  Buffer.from('\r\n0\r\n\r\n'),
]);
const CLOSE = 'connection: close';

const CASES: readonly (readonly [string, RequestListener, string | RegExp])[] = [
  ['chunked, cut short', sending(['transfer-encoding: chunked'], '10\r\n{"outp'), BROKE_OFF],
  [
    'chunked, cut short, said to be the last',
    sending(['transfer-encoding: chunked', CLOSE], '10\r\n{"outp'),
    BROKE_OFF,
  ],
  ['chunked, cut between chunks', sending(['transfer-encoding: chunked', CLOSE], '2\r\n{}\r\n'), BROKE_OFF],
  ['chunked, reset between chunks', sending(['transfer-encoding: chunked', CLOSE], '2\r\n{}\r\n', true), BROKE_OFF],
  ['a length, cut short', sending(['content-length: 100', CLOSE], '{"outp'), BROKE_OFF],
  ['a length, reset', sending(['content-length: 100', CLOSE], '{"outp', true), BROKE_OFF],
  ['no length', sending([CLOSE], '{"outputs":[]}'), MALFORMED],
  ['transfer-encoding: gzip, whole or not', sending(['transfer-encoding: gzip', CLOSE], ZIPPED), MALFORMED],
  ['transfer-encoding: identity', sending(['transfer-encoding: identity', CLOSE], '{"outp'), MALFORMED],
  ['a coding that nobody knows', sending(['transfer-encoding: x', CLOSE], '{"outp'), MALFORMED],
  ['gzip, chunked', sending(['transfer-encoding: gzip, chunked'], CHUNKED_ZIP), MALFORMED],
  [
    'gzip and chunked in two lines',
    sending(['transfer-encoding: gzip', 'transfer-encoding: chunked'], CHUNKED_ZIP),
    MALFORMED,
  ],
  ['a length and chunks', sending(['content-length: 5', 'transfer-encoding: chunked'], '0\r\n\r\n'), MALFORMED],
  ['two lengths', sending(['content-length: 5', 'content-length: 6'], '{"a":1}'), MALFORMED],
  ['a chunk of no size', sending(['transfer-encoding: chunked'], 'no size\r\n'), MALFORMED],
  ['no HTTP', (request) => void request.socket.end('SSH-2.0-OpenSSH_9.2\r\n'), MALFORMED],
  ['headers over 16 KiB', sending([`x: ${'x'.repeat(20_000)}`, 'content-length: 2'], '{}'), TOO_LARGE],
];

const HTTP = 'timeout: 2s\n    protocol: http\n    prefix: /app';

for (const [what, script, error] of CASES)
  test(`an answer with ${what} is 502, and says what was wrong`, async (t) => {
    const server = await fakeServer(t, script);
    const whole = await gateway(t, policyOf([server.url], 'timeout: 2s'));
    const streamed = await gateway(t, policyOf([server.url], HTTP));
    const plain = await infer(whole.url);
    assert.deepEqual([plain.status, plain.headers.get('content-type')], [502, 'application/json']);
    const told = ((await plain.json()) as { error: string }).error;
    if (error instanceof RegExp) assert.match(told, error);
    else assert.equal(told, error);
    const passed = await fetch(`${streamed.url}/app/x`, { method: 'POST', body: '{}' }).then(
      async (response) => [response.status, await response.text().catch(() => 'cut')] as const,
      () => ['cut', 'cut'] as const,
    );
    assert.ok(passed[0] === 502 || passed[1] === 'cut', `streamed: ${passed}`);
  });

test('chunks in any case, and an empty answer without a length, are passed on', async (t) => {
  const server = await fakeServer(t, sending(['Transfer-Encoding: Chunked'], '2\r\n{}\r\n0\r\nx-trailer: 1\r\n\r\n'));
  const { url } = await gateway(t, policyOf([server.url]));
  const response = await infer(url);
  assert.deepEqual([response.status, await response.text()], [200, '{}']);
});

for (const status of [300, 301, 302, 303, 304, 307, 308])
  test(`a redirect (${status}) is reported as one, and its address is not passed on`, async (t) => {
    const server = await fakeServer(t, (request, response) => {
      request.resume();
      response.writeHead(status, { location: 'http://10.0.0.1/internal' }).end();
    });
    const { url } = await gateway(t, policyOf([server.url]));
    const response = await infer(url);
    const text = await response.text();
    assert.equal(response.status, 502);
    assert.match(text, REDIRECTED);
    assert.ok(!`${text}${JSON.stringify([...response.headers])}`.includes('10.0.0.1'));
  });

async function fleetOf(adminUrl: string) {
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    fleet: Record<string, { standing: string; failuresInARow: number }>;
  };
  return Object.values(status.fleet);
}

async function outcomesAt(adminUrl: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const found = text.matchAll(/^sluice_requests_total\{.*outcome="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, name, count]) => [name, Number(count)]).filter(([, count]) => count));
}

/** A server whose answer is larger than 64 MiB, or has too large a header, for requests that ask for it. */
const larger: RequestListener = (request, response) => {
  const by = request.headers['x-larger'];
  if (by === undefined) return answering({})(request, response);
  request.resume();
  if (by === 'header') return void response.writeHead(200, { ...JSON_TYPE, x: 'x'.repeat(20_000) }).end('{}');
  response.on('error', () => {}).writeHead(200, { ...JSON_TYPE, 'content-length': 65 * MIB });
  response.end(Buffer.alloc(65 * MIB, ' '));
};

for (const by of ['body', 'header'])
  test(`answers with a ${by} over the limit eject no server, are asked for once, and say nothing of a version`, async (t) => {
    const servers = await Promise.all([fakeServer(t, larger), fakeServer(t, larger)]);
    const { url, adminUrl } = await gateway(
      t,
      policyOf(
        servers.map((server) => server.url),
        'timeout: 10s',
      ),
    );
    for (let i = 0; i < 8; i++) {
      const response = await infer(url, { headers: { 'x-larger': by } });
      assert.deepEqual([response.status, TOO_LARGE.test(await response.text())], [502, true]);
    }
    assert.equal(
      servers.reduce((sum, { seen }) => sum + seen.length, 0),
      8,
    );
    for (const { standing, failuresInARow } of await fleetOf(adminUrl))
      assert.deepEqual([standing, failuresInARow], ['healthy', 0]);
    assert.deepEqual(await outcomesAt(adminUrl), { own_limit: 8 });
    assert.equal((await infer(url)).status, 200);
  });

test('P10: answers that callers do not take are bounded together; beyond it 503, held against nobody', async (t) => {
  const body = Buffer.alloc(8 * MIB, ' ');
  const server = await fakeServer(t, (request, response) => {
    if (request.headers['x-small'] !== undefined) return answering({})(request, response);
    request.resume();
    response.on('error', () => {}).writeHead(200, { ...JSON_TYPE, 'content-length': body.length });
    response.end(body);
  });
  const { url, adminUrl } = await gateway(t, policyOf([server.url], 'timeout: 10s'), {
    limits: { answerMemory: 40 * MIB },
  });
  const stuck = await Promise.all(Array.from({ length: 12 }, () => rawCaller(t, url)));
  for (const { socket, send } of stuck) {
    socket.pause();
    send('POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
  }
  await until(async () => {
    const outcomes = await outcomesAt(adminUrl);
    return (outcomes.ok ?? 0) + (outcomes.shed ?? 0) === 12;
  }, 'all are answered');
  const outcomes = await outcomesAt(adminUrl);
  assert.ok((outcomes.ok ?? 0) <= 5 && (outcomes.shed ?? 0) >= 7, JSON.stringify(outcomes));
  const refused = await infer(url);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1']);
  assert.match(
    await refused.text(),
    /the memory for answers at this gateway is full \(--answer-memory 40MiB\); try again/,
  );
  assert.equal((await fleetOf(adminUrl))[0]?.standing, 'healthy');
  for (const { socket } of stuck) socket.destroy();
  await until(async () => (await infer(url)).status === 200, 'there is room again');
});

test('an answer that never fits into the memory for answers is 502 and not 503: to ask again would not help', async (t) => {
  const body = Buffer.alloc(6 * MIB, ' ');
  const server = await fakeServer(t, (request, response) => {
    request.resume();
    response.writeHead(200, { ...JSON_TYPE, 'content-length': body.length }).end(body);
  });
  const { url, adminUrl } = await gateway(t, policyOf([server.url]), { limits: { answerMemory: 4 * MIB } });
  const refused = await infer(url);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [502, null]);
  assert.match(
    await refused.text(),
    /larger than this gateway takes: 4MiB \(--answer-memory\), and 16KiB for its header/,
  );
  assert.deepEqual(await outcomesAt(adminUrl), { own_limit: 1 });
});

test('a shadow whose answers are over the limit is not compared: it did not fail', async (t) => {
  const [baseline, shadow] = [await fakeServer(t, answering({})), await fakeServer(t, larger)];
  const policy = `apiVersion: sluice/v1
fleet:
  a: { url: "${baseline.url}" }
  b: { url: "${shadow.url}" }
models:
  m:
    timeout: 5s
    versions: { v1: { servers: [a] }, v2: { servers: [b] } }
    baseline: v1
    shadow: [{ version: v2, sample: 100%, headers: [x-larger], compare: { as: json } }]
`;
  const { url, adminUrl } = await gateway(t, policy);
  for (let i = 0; i < 4; i++) assert.equal((await infer(url, { headers: { 'x-larger': 'header' } })).status, 200);
  await until(() => shadow.seen.length === 4, 'copies');
  await until(
    async () =>
      /sluice_mirror_copies_total\{.*result="failed"\} 4/.test(await (await fetch(`${adminUrl}/metrics`)).text()),
    'they are counted as sent and not answered',
  );
  const { summary } = (await (await fetch(`${adminUrl}/api/comparisons/summary?model=m`)).json()) as {
    summary?: unknown;
  };
  assert.ok(!JSON.stringify(summary ?? {}).includes('candidate_error'));
});

test('what the gateway gives up itself stays what it was: a deadline is 504', async (t) => {
  const server = await fakeServer(t, silent);
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 100ms'));
  assert.equal((await infer(url)).status, 504);
});
