// Callers whose unit cannot be read, and bodies that rules see nothing in: found where it is cheap, counted where it is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { statusText } from '../../gateway/cli/ask/status.ts';
import { View } from '../../gateway/decide/view.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gateway, infer } from '../support/gateway.ts';
import { fileWith, sluice } from './cli/sluice.ts';
import { request } from './decide/setup.ts';

const MIB = 1024 * 1024;
const numbers = (bytes: number) =>
  Array.from({ length: Math.ceil(bytes / 9.5) }, (_, i) => `${Math.sin(i).toFixed(6)},`).join('');
const body = (bytes: number, user = '"ann"') =>
  Buffer.from(`{"inputs":[{"data":[${numbers(bytes)}1]}],"user":{"id":${user}}}`);
const view = (sent: Buffer, encoding?: string) =>
  new View(request(encoding === undefined ? {} : { 'content-encoding': encoding }, sent));

test('the unit of a body in gzip or deflate, and of one beyond 1 MiB, is the one it would be in a small plain body', () => {
  const unit = ['user', 'id'];
  for (const sent of [body(10), body(900_000), body(2 * MIB), body(3.9 * MIB)])
    assert.equal(view(sent).unitAt(unit), 'ann');
  assert.equal(view(gzipSync(body(10)), 'gzip').unitAt(unit), 'ann');
  assert.equal(view(gzipSync(body(10)), ' X-GZIP ').unitAt(unit), 'ann');
  assert.equal(view(deflateSync(body(200_000)), 'deflate').unitAt(unit), 'ann');
  const id = '9007199254740993123';
  for (const sent of [view(body(2 * MIB, id)), view(gzipSync(body(10, id)), 'gzip')])
    assert.equal((sent.unitAt(unit) as { text: string }).text, id);
  const deep = Buffer.from(`{"deep":${'['.repeat(100)}${']'.repeat(100)},"user":{"id":"ann"}}`);
  assert.equal(view(deep).unitAt(unit), 'ann');
  assert.equal(view(gzipSync(body(10)), 'gzip').sentAt(unit), 'ann');
});

test('a body that unpacks to more than 64 KiB and 16 times its size costs little and shows nothing', () => {
  const bomb = gzipSync(Buffer.alloc(200 * MIB, '['));
  const start = performance.now();
  const seen = view(bomb, 'gzip');
  assert.equal(seen.inside, undefined);
  assert.deepEqual(seen.missed, { rules: 'too_large' });
  assert.ok(performance.now() - start < 200, `${performance.now() - start} ms`);
});

test('each reason why nothing can be read in a body has its own name, and a body that lies throws nothing', () => {
  const cases: readonly (readonly [View, string])[] = [
    [view(Buffer.from('text')), 'not_json'],
    [view(Buffer.alloc(0)), 'not_json'],
    [view(body(2 * MIB)), 'too_large'],
    [view(Buffer.from(`${'['.repeat(65)}${']'.repeat(65)}`)), 'too_deep'],
    [view(body(10), 'br'), 'compressed'],
    [view(body(10), 'gzip'), 'compressed'],
    [view(gzipSync(body(10)).subarray(0, 30), 'gzip'), 'compressed'],
    [view(body(10), 'constructor'), 'compressed'],
  ];
  for (const [seen, reason] of cases) {
    assert.equal(seen.inside, undefined);
    assert.deepEqual(seen.missed, { rules: reason });
  }
  for (const garbage of [`{"user":{"id":"\\x`, `{"user":{"id":tru`, '{"us\\q":1,'])
    assert.equal(view(Buffer.from(garbage + '['.repeat(70) + 'x'.repeat(100))).unitAt(['user', 'id']), undefined);
});

const POLICY = (url: string) => `apiVersion: sluice/v1
fleet: { s: { url: "${url}" } }
models:
  m: { timeout: 5s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1, rollout: { id: r, candidate: v2, unit: body user.id, steps: [50%], rollback: { action: dry_run } } }
  e: { timeout: 5s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1, experiment: { id: x, unit: header x-u, arms: { v1: 50%, v2: 50% } } }
  strict: { timeout: 5s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1, rollout: { id: q, candidate: v2, unit: body user.id, without_unit: reject, steps: [50%] } }
  small: { timeout: 5s, versions: { v1: { servers: [s] } }, baseline: v1 }
  large: { timeout: 5s, versions: { v1: { servers: [s] } }, baseline: v1 }
  l: { tiers: { ladder: { small: small, large: large }, rules: [{ when: { body: { plan: gold } }, use: large }, { use: small }] } }
`;

test('requests without what the policy asks for are counted by model and reason, and the status and the command say so', async (t) => {
  const { url: server } = await fakeServer(t, answering({ outputs: [] }));
  const { url, adminUrl } = await gateway(t, POLICY(server), { limits: { bodyLimit: 16 * MIB } });
  const metrics = async () => (await fetch(`${adminUrl}/metrics`)).text();
  const counted = async () =>
    Object.fromEntries(
      [...(await metrics()).matchAll(/^sluice_missed_inputs_total\{(.*)\} ([1-9]\d*)$/gm)].map(
        ([, labels = '', count]) => [labels.replaceAll('"', ''), Number(count)],
      ),
    );
  assert.match(await metrics(), /^sluice_missed_inputs_total\{model="m",input="unit",reason="too_large"\} 0$/m);
  assert.match(await metrics(), /^sluice_missed_inputs_total\{model="l",input="rules",reason="compressed"\} 0$/m);
  const send = async (model: string, sent: Buffer, headers: Record<string, string> = {}) =>
    (await infer(url, { body: new Uint8Array(sent), headers }, model)).status;
  assert.equal(await send('m', body(10)), 200);
  assert.equal(await send('m', body(5 * MIB)), 200);
  assert.equal(await send('m', gzipSync(body(3 * MIB)), { 'content-encoding': 'gzip' }), 200);
  assert.equal(await send('m', body(10), { 'content-encoding': 'br' }), 200);
  assert.equal(await send('m', Buffer.from('{"user":{"id":""}}')), 200);
  assert.equal(await send('e', body(10)), 200);
  assert.equal(await send('e', body(10), { 'x-u': 'ann' }), 200);
  assert.equal(await send('strict', Buffer.from('no json')), 400);
  assert.equal(await send('l', body(2 * MIB)), 200);
  assert.deepEqual(await counted(), {
    'model=m,input=unit,reason=too_large': 2,
    'model=m,input=unit,reason=compressed': 1,
    'model=m,input=unit,reason=absent': 1,
    'model=e,input=unit,reason=absent': 1,
    'model=strict,input=unit,reason=not_json': 1,
    'model=l,input=rules,reason=too_large': 1,
  });
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as Parameters<typeof statusText>[0];
  const text = statusText(status);
  assert.match(text, /requests without the unit that sorts them: 4 \(2 because the body is too large to look into, /);
  assert.match(
    text,
    /requests with a body that the rules could not read: 1 \(1 because the body is too large to look into\)/,
  );
});

test('explain says why a request has no unit, and why a rule sees nothing', async (t) => {
  const file = fileWith(t, POLICY('http://127.0.0.1:9101'));
  const ask = async (model: string, ...args: string[]) =>
    (await sluice(['explain', model, '--policy', file, ...args])).stdout;
  assert.match(await ask('m', '-d', 'no json'), /has no body user\.id \(the body is no JSON\); without_unit: random/);
  assert.match(await ask('m', '-d', '{}'), /has no body user\.id \(it was not sent\); without_unit: random/);
  assert.match(await ask('l', '-d', '{}', '-H', 'content-encoding: br'), /absent: the body is compressed in a way/);
});
