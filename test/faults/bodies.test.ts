// Request bodies: limits, what is passed on unread, and what the model server says of the rest. Rows B of the catalogue.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { startModelServer } from '../../model-server/main.ts';
import { fakeServer } from '../support/fake-server.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { refusedFor } from '../support/metrics.ts';
import { inferBytes, rawCaller } from '../support/raw-caller.ts';
import { exchangeRaw } from '../support/raw-exchange.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';
import { CHUNKED, chunk, keepingServer } from './keeping-server.ts';

const MIB = 1024 * 1024;

test('B1: one byte over the limit is 413 and closed, with and without Content-Length; the limit itself is served', async (t) => {
  const { url: server, seen, bodies } = await keepingServer(t);
  const { url, adminUrl } = await gateway(t, policyOf([server]), { limits: { bodyLimit: 1000 } });
  const patience = { answers: 1, quietMs: 0, atMostMs: 10_000 };
  for (const bytes of [
    inferBytes('x'.repeat(1000)),
    CHUNKED + chunk('x'.repeat(600)) + chunk('x'.repeat(400)) + chunk(''),
  ])
    assert.deepEqual((await exchangeRaw(url, bytes, patience)).statuses, [200]);
  assert.deepEqual(
    bodies.map(({ length }) => length),
    [1000, 1000],
  );
  const over = [
    inferBytes('x'.repeat(1001)),
    inferBytes('x', [], 1001), // refused by what it announces
    CHUNKED + chunk('x'.repeat(600)) + chunk('x'.repeat(401)) + chunk(''),
    CHUNKED + chunk('x'.repeat(1001)), // refused before its end
  ];
  for (const bytes of over) {
    const { statuses, isClosed, text } = await exchangeRaw(url, bytes, { answers: 2, quietMs: 0, atMostMs: 10_000 });
    assert.deepEqual(statuses, [413], bytes.slice(0, 120));
    assert.ok(isClosed);
    assert.match(text, /connection: close\r\n/);
  }
  assert.equal(seen.length, 2);
  assert.equal(await refusedFor(adminUrl, 'body_too_large'), over.length);
});

test('B1: who uploads far too much still reads the answer, and a request behind it is not served', async (t) => {
  const { url: server, seen } = await keepingServer(t);
  const { url } = await gateway(t, policyOf([server]), { limits: { bodyLimit: 1000 } });
  // Closing while bytes are on the way would reset the connection and take the answer with it.
  for (let i = 0; i < 10; i++) {
    const caller = await rawCaller(t, url);
    caller.send(inferBytes('x'.repeat(2 * MIB)));
    caller.send(inferBytes('{}'));
    await until(() => caller.ended() !== undefined, 'the connection ends');
    assert.deepEqual(caller.statuses(), [413], `upload ${i}: ${caller.ended()}`);
  }
  assert.equal(seen.length, 0);
});

test('B4, B6, B10, B11: bytes that are no UTF-8, keys of prototypes and any encoding are passed on unread', async (t) => {
  const { url: server, seen, bodies } = await keepingServer(t);
  const { url } = await gateway(t, policyOf([server]));
  const json = Buffer.from('{"inputs":[],"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
  const bomb = gzipSync(Buffer.alloc(50 * MIB));
  const sent: readonly (readonly [Buffer, string])[] = [
    [Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xed, 0xa0, 0x80, 0x22, 0x7d]), 'identity'],
    [json, ''],
    [gzipSync(json), 'gzip'],
    [brotliCompressSync(json), 'br'],
    [deflateSync(json), 'deflate'],
    [gzipSync(gzipSync(json)), 'gzip, gzip'],
    [json, 'bogus'],
    [bomb, 'gzip'],
    [brotliCompressSync(Buffer.alloc(50 * MIB)), 'br'],
    [bomb.subarray(0, 1000), 'gzip'],
    [Buffer.concat([gzipSync('{'), gzipSync('}')]), 'gzip'],
  ];
  const before = process.memoryUsage().rss;
  for (const [body, encoding] of sent) {
    const headers: Record<string, string> = encoding === '' ? {} : { 'content-encoding': encoding };
    assert.equal((await infer(url, { body, headers })).status, 200, encoding);
    assert.ok(bodies.at(-1)?.equals(body), encoding);
    assert.equal(seen.at(-1)?.headers['content-encoding'] ?? '', encoding);
  }
  const grown = (process.memoryUsage().rss - before) / MIB;
  assert.ok(grown < 100, `${grown} MiB more: something was inflated`);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test('B6, B7: a policy that looks inside bodies is not polluted by keys, nor held up by nesting', async (t) => {
  const { url: server } = await keepingServer(t);
  const policy = `apiVersion: sluice/v1
fleet: { a: { url: "${server}" } }
models:
  small: { timeout: 2s, versions: { v1: { servers: [a] } }, baseline: v1 }
  large: { timeout: 2s, versions: { v1: { servers: [a] } }, baseline: v1 }
  m:
    tiers:
      ladder: { small: small, large: large }
      rules:
        - { when: { body: { priority: high } }, use: large }
        - { use: small }
`;
  const { url } = await gateway(t, policy);
  const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  for (const [body, tier] of [
    ['{"priority":"high"}', 'large'],
    ['{"__proto__":{"priority":"high"}}', 'small'],
    ['{"\\u005f_proto__":{"priority":"high"}}', 'small'],
    ['{"constructor":{"prototype":{"priority":"high"}}}', 'small'],
    [deep(100), 'small'],
    [deep(20_000), 'small'],
    [deep(500_000), 'small'],
    ['{"priority":"high"', 'small'],
    ['\ufeff{"priority":"high"}', undefined], // either reading will do
  ] as const) {
    const start = performance.now();
    const response = await infer(url, { body });
    const took = performance.now() - start;
    assert.equal(response.status, 200, body.slice(0, 40));
    if (tier !== undefined) assert.equal(response.headers.get('x-sluice-tier'), tier, body.slice(0, 60));
    assert.ok(took < 1000, `${took} ms for ${body.slice(0, 40)}`);
  }
  assert.equal(({} as { priority?: string }).priority, undefined);
});

test('B15: a server that answers before it has read the body is heard', async (t) => {
  const server = await fakeServer(t, (_request, response) => {
    response.writeHead(413, { 'content-type': 'application/json', 'content-length': 18, connection: 'close' });
    response.end('{"error":"too big"');
  });
  const { url } = await gateway(t, policyOf([server.url], 'timeout: 5s'), { limits: { bodyLimit: 16 * MIB } });
  const response = await infer(url, { body: Buffer.alloc(MIB, 'x') });
  assert.equal(response.status, 413);
  assert.equal(await response.text(), '{"error":"too big"');
});

test('B18: long names, versions and callers are 404 or served, and none becomes a series', async (t) => {
  const { url: server } = await keepingServer(t);
  const sticky = `${policyOf([server]).replace('{ v1:', '{ v2: { servers: [s0] }, v1:')}    pins: any\n    rollout: { id: r, candidate: v2, unit: header x-user-id, without_unit: random, steps: [50%] }\n`;
  const { url, adminUrl } = await gateway(t, sticky);
  const long = 'x'.repeat(7000);
  assert.equal((await infer(url, {}, long)).status, 404);
  assert.equal((await infer(url, {}, `m/versions/${long}`)).status, 404);
  assert.equal((await infer(url, { headers: { 'x-sluice-version': long } })).status, 404);
  assert.equal((await infer(url, { headers: { 'x-user-id': long } })).status, 200);
  assert.doesNotMatch(await (await fetch(`${adminUrl}/metrics`)).text(), /xxxx/);
});

test('B2, B3, B7, B8, B11: a real model server refuses what is no inference request, and lives', async (t) => {
  const models = await startModelServer({
    models: 'config/models',
    port: 0,
    bodyLimit: 4 * MIB,
    logger: pino({ level: 'silent' }),
  });
  undo(t, () => models.close());
  await models.loaded;
  const policy = policyOf([models.url], 'timeout: 10s').replace(
    'servers: [s0]',
    'servers: [s0], model: digits, version: "1"',
  );
  const { url, adminUrl } = await gateway(t, policy, { limits: { bodyLimit: 16 * MIB } });
  const valid = JSON.stringify({
    inputs: [{ name: 'image', shape: [1, 784], datatype: 'FP32', data: Array(784).fill(0) }],
  });
  const cases: readonly (readonly [string, string | Buffer, Record<string, string>, readonly number[]])[] = [
    ['an empty body', '', {}, [400]],
    ['null', 'null', {}, [400]],
    ['a list', '[]', {}, [400]],
    ['a text', '"str"', {}, [400]],
    ['a number', '42', {}, [400]],
    ['truncated', valid.slice(0, -5), {}, [400]],
    ['trailing garbage', `${valid}x`, {}, [400]],
    ['two documents', valid + valid, {}, [400]],
    ['a comment', `/* a */${valid}`, {}, [400]],
    ['nesting of 100', '['.repeat(100) + ']'.repeat(100), {}, [400]],
    ['nesting of 20,000', '['.repeat(20_000) + ']'.repeat(20_000), {}, [400]],
    ['nesting of 1,000,000', '['.repeat(1e6) + ']'.repeat(1e6), {}, [400]],
    ['a million elements', `{"inputs":[${'0,'.repeat(1e6)}0]}`, {}, [400]],
    ['a text of 10 MB', `{"inputs":"${'x'.repeat(10e6)}"}`, {}, [413]],
    ['gzip', gzipSync(valid), { 'content-encoding': 'gzip' }, [200, 415]],
    ['a gzip bomb', gzipSync(Buffer.alloc(50 * MIB, ' ')), { 'content-encoding': 'gzip' }, [413, 400, 415]],
    ['a bogus encoding', valid, { 'content-encoding': 'bogus' }, [415, 400]],
    ['truncated gzip', gzipSync(valid).subarray(0, 20), { 'content-encoding': 'gzip' }, [400, 415]],
  ];
  for (const [name, body, headers, statuses] of cases) {
    const response = await infer(url, { body, headers });
    assert.ok(
      statuses.includes(response.status),
      `${name}: ${response.status} ${(await response.text()).slice(0, 200)}`,
    );
  }
  assert.equal((await infer(url, { body: valid })).status, 200, 'and the next request is answered');
  assert.equal(await refusedFor(adminUrl, 'internal'), 0);
});

test('B12, B13: the spelling of the type changes nothing for inference', async (t) => {
  const { url: server, bodies } = await keepingServer(t);
  const { url } = await gateway(t, policyOf([server]));
  const types = [
    'text/json',
    'application/json\ta',
    'application/json; charset=utf-16',
    'APPLICATION/JSON',
    'text/plain',
  ];
  for (const type of [...types, 'multipart/form-data; boundary=x', '']) {
    const bytes = inferBytes('{"a":1}', [`Content-Type: ${type}`]);
    const { statuses } = await exchangeRaw(url, bytes, { answers: 1, quietMs: 0, atMostMs: 10_000 });
    assert.deepEqual(statuses, [200], type);
    assert.equal(bodies.at(-1)?.toString(), '{"a":1}', type);
  }
});
