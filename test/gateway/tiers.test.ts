// Ladders and experiments through a whole gateway: what decide says is what callers get.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gateway, infer } from '../support/gateway.ts';

const policy = (url: string) => `apiVersion: sluice/v1
fleet: { s: { url: "${url}" } }
models:
  fast: { timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }
  balanced:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    experiment: { id: e1, unit: header x-user, without_unit: reject, arms: { v2: 100% } }
  accurate: { timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }
  spam:
    tiers:
      ladder: { fast: fast, balanced: balanced, accurate: accurate }
      rules:
        - { when: { header: { x-customer-tier: enterprise } }, use: accurate }
        - { when: { header: { content-type: text/plain } }, use: accurate }
        - { when: { text_length: { below: 50 }, body: { confidence_threshold: { below: 0.9 } } }, use: fast }
        - { use: balanced }
`;

const BODY = {
  confidence_threshold: 0.8,
  inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['buy now'] }],
};

test('each caller gets the tier of the first rule that holds, and is told which and why', async (t) => {
  const { url: server, seen } = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policy(server));
  const cases: readonly (readonly [object, Record<string, string>, string[]])[] = [
    [BODY, { 'x-customer-tier': 'enterprise' }, ['accurate', 'v1', 'accurate', 'rule 1: tier accurate; baseline']],
    [BODY, { 'content-type': 'text/plain' }, ['accurate', 'v1', 'accurate', 'rule 2: tier accurate; baseline']],
    [BODY, {}, ['fast', 'v1', 'fast', 'rule 3: tier fast; baseline']],
    [
      { ...BODY, confidence_threshold: 0.9 },
      { 'x-user': 'u' },
      ['balanced', 'v2', 'balanced', 'rule 4: tier balanced; experiment e1'],
    ],
  ];
  for (const [body, headers, expected] of cases) {
    const response = await infer(url, { body: JSON.stringify(body), headers }, 'spam');
    assert.equal(response.status, 200);
    const got = ['model', 'version', 'tier', 'why'].map((name) => response.headers.get(`x-sluice-${name}`));
    assert.deepEqual(got, expected);
    assert.equal(seen.at(-1)?.url, `/v2/models/${expected[0]}/infer`);
  }
});

test('a caller that a tier cannot sort is told so, and a pin on a ladder is unknown', async (t) => {
  const { url: server } = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policy(server));
  const unsorted = await infer(url, { body: JSON.stringify({ ...BODY, confidence_threshold: 1 }) }, 'spam');
  assert.equal(unsorted.status, 400);
  const pinned = await infer(url, { headers: { 'x-sluice-version': 'v1' } }, 'spam');
  assert.equal(pinned.status, 404);
});
