// The memory that request bodies may take together: promise P10.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeServer, silent } from '../support/fake-server.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { refusedFor } from '../support/metrics.ts';
import { inferBytes, rawCaller } from '../support/raw-caller.ts';
import { until } from '../support/until.ts';
import { CHUNKED, chunk, keepingServer } from './keeping-server.ts';

const MIB = 1024 * 1024;

test('P10: bodies that together exceed the memory for uploads are 503 before they are read, and free it when answered', async (t) => {
  const held = await fakeServer(t, silent);
  const { url, adminUrl } = await gateway(t, policyOf([held.url], 'timeout: 2s'), {
    limits: { uploadMemory: 3 * MIB },
  });
  const body = Buffer.alloc(MIB, 'x');
  const first = Array.from({ length: 3 }, () => infer(url, { body }));
  await until(() => held.seen.length === 3, 'three uploads are at the server');
  const refused = await rawCaller(t, url);
  refused.send(inferBytes('x', [], MIB));
  await until(() => refused.ended() === 'closed', 'a fourth is refused');
  assert.match(refused.text(), /^HTTP\/1\.1 503 [\s\S]*retry-after: 1\r\n[\s\S]*\{"error":"too many request bodies/);
  const trickling = await rawCaller(t, url);
  trickling.send(CHUNKED + chunk('x'));
  await until(() => trickling.statuses()[0] === 503, 'so is one of unknown length, as soon as it has bytes');
  assert.equal(await refusedFor(adminUrl, 'uploads_full'), 2);
  assert.equal((await fetch(`${url}/v2/health/live`)).status, 200, 'a request without a body is served');
  for (const { status } of await Promise.all(first)) assert.equal(status, 504);
  assert.equal((await infer(url, { body })).status, 504, 'and then there is room again');
});

test('P10: callers that announce much and send nothing take no memory from others', async (t) => {
  const { url: server } = await keepingServer(t);
  const { url, adminUrl } = await gateway(t, policyOf([server]), { limits: { uploadMemory: 2 * MIB } });
  for (let i = 0; i < 20; i++) (await rawCaller(t, url)).send(inferBytes('x', [], MIB - 1));
  // On a busy machine the gateway may shed by the lag of its event loop for a moment.
  await until(async () => (await infer(url, { body: Buffer.alloc(MIB, 'x') })).status === 200, 'an answer');
  assert.equal(await refusedFor(adminUrl, 'uploads_full'), 0);
});

test('P10: memory for uploads comes back however a request ends', async (t) => {
  const { url: server } = await keepingServer(t);
  const { url, adminUrl } = await gateway(t, policyOf([server]), {
    limits: { uploadMemory: 4 * MIB, requestTimeoutMs: 1000 },
  });
  const half = 'x'.repeat(MIB / 2);
  const ends = [
    (caller: Awaited<ReturnType<typeof rawCaller>>) => caller.socket.resetAndDestroy(),
    (caller: Awaited<ReturnType<typeof rawCaller>>) => caller.socket.destroy(),
    (caller: Awaited<ReturnType<typeof rawCaller>>) => caller.send('no chunk\r\n'),
    () => {}, // too slow
  ];
  for (const end of ends) {
    const callers = await Promise.all(Array.from({ length: 6 }, () => rawCaller(t, url)));
    for (const caller of callers) caller.send(CHUNKED + chunk(half) + chunk('pipelined'));
    for (const caller of callers) end(caller);
    await until(async () => (await infer(url, { body: Buffer.alloc(MIB - 1, 'x') })).status === 200, 'there is room');
  }
  await until(async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => infer(url, { body: Buffer.alloc(MIB - 1, 'x') })));
    return all.every(({ status }) => status === 200);
  }, 'there is room for as much as at first');
  assert.equal(await refusedFor(adminUrl, 'internal'), 0);
});
