// Shadows in a whole gateway: what a copy carries, what it never carries, and that callers never notice.
import assert from 'node:assert/strict';
import type { IncomingMessage, RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Gateway } from '../../gateway/app.ts';
import type { ShadowStanding } from '../../gateway/standings.ts';
import { answering, callsAt, type FakeServer, fakeServer, silent } from '../support/fake-server.ts';
import { gateway, infer } from '../support/gateway.ts';
import { standingOf } from '../support/standing.ts';
import { until } from '../support/until.ts';

const ANSWER = { outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 2], data: [0.9, 0.1] }] };
const OTHER = { outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 2], data: [0.2, 0.8] }] };

async function setUp(t: TestContext, shadow: string, script: RequestListener = answering(OTHER), more = 'pins: any') {
  const [primary, mirrored] = [await fakeServer(t, answering(ANSWER)), await fakeServer(t, script)];
  const policy = `apiVersion: sluice/v1
fleet: { p: { url: "${primary.url}" }, s: { url: "${mirrored.url}" } }
models:
  large: { timeout: 1s, versions: { v9: { servers: [s], model: big } }, baseline: v9 }
  m:
    timeout: 300ms
    versions: { v1: { servers: [p] }, v2: { servers: [s], version: "2" } }
    baseline: v1
    ${more}
    shadow: [${shadow}]
`;
  return { primary, mirrored, running: await gateway(t, policy) };
}

async function shadowIn({ adminUrl }: Gateway): Promise<ShadowStanding> {
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    models: { m: { shadows: ShadowStanding[] } };
  };
  const [shadow] = status.models.m.shadows;
  assert.ok(shadow !== undefined);
  return shadow;
}

/** The first copy that arrived. */
async function copyAt({ seen }: FakeServer): Promise<IncomingMessage> {
  await until(() => seen.length > 0, 'a copy');
  const [copy] = seen;
  assert.ok(copy !== undefined);
  return copy;
}

function order({ adminUrl }: Gateway, path: string, body: unknown = { reason: 'a test' }, init: RequestInit = {}) {
  return fetch(`${adminUrl}/api/models/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    ...init,
  });
}

test('a copy carries the body, the id, its mark and the named headers, and never a credential', async (t) => {
  const { mirrored, running } = await setUp(t, '{ version: v2, sample: 100%, headers: [x-tenant] }');
  const headers = {
    'content-type': 'application/json',
    'x-request-id': 'r-1',
    'x-tenant': 'acme',
    'x-user-id': 'ada',
    authorization: 'Bearer secret',
    cookie: 'session=secret',
    'x-api-key': 'secret',
    'x-sluice-shadow': 'forged',
  };
  const answer = await infer(running.url, { headers, body: '{"inputs":[1]}' });
  assert.deepEqual(await answer.json(), ANSWER);
  assert.equal(answer.headers.get('x-sluice-version'), 'v1');
  const { url, headers: sent, rawHeaders } = await copyAt(mirrored);
  assert.equal(url, '/v2/models/m/versions/2/infer');
  assert.deepEqual(
    [sent['x-request-id'], sent['x-sluice-shadow'], sent['x-tenant'], sent['content-type'], sent['content-length']],
    ['r-1', 'v2', 'acme', 'application/json', '14'],
  );
  assert.ok(Number(sent['x-sluice-deadline-ms']) <= 300);
  for (const name of ['authorization', 'cookie', 'x-api-key', 'x-user-id']) assert.equal(sent[name], undefined, name);
  assert.doesNotMatch(rawHeaders.join(), /secret|forged/);
});

test('another model can be the shadow: its baseline gets the copies', async (t) => {
  const { mirrored, running } = await setUp(t, '{ model: large, sample: 100% }');
  assert.equal((await infer(running.url)).status, 200);
  assert.equal((await copyAt(mirrored)).url, '/v2/models/big/infer');
});

test('a pair is compared, stored and told, by the shadow and by the header it is sliced by', async (t) => {
  const compare = 'compare: { as: classification, output: p, slices: [x-tenant], keep: { fields: [outputs.*.data] } }';
  const { running } = await setUp(t, `{ version: v2, sample: 100%, ${compare} }`);
  await infer(running.url, { headers: { 'x-request-id': 'r-1', 'x-tenant': 'acme' } });
  const read = async (path: string) => (await fetch(`${running.adminUrl}${path}`)).json();
  type Page = { comparisons: { id: string; kind: string; slices: object }[] };
  let page: Page = { comparisons: [] };
  await until(async () => {
    page = (await read('/api/comparisons')) as Page;
    return page.comparisons.length === 1;
  }, 'the comparison');
  assert.deepEqual(
    page.comparisons.map(({ id, kind, slices }) => ({ id, kind, slices })),
    [{ id: 'r-1', kind: 'different', slices: { 'x-tenant': 'acme' } }],
  );
  assert.match(JSON.stringify(await read('/api/comparisons/kept?id=r-1')), /0\.9.*0\.2/);
  const { subjects } = (await read('/api/comparisons/summary')) as { subjects: { subject: object }[] };
  assert.deepEqual(subjects[0]?.subject, { model: 'm', shadow: 'v2', baseline: 'v1', candidate: 'v2' });
});

test('of a long header a comparison keeps what its slice is named by', async (t) => {
  const { running } = await setUp(t, '{ version: v2, sample: 100%, compare: { as: exact, slices: [x-tenant] } }');
  assert.equal(
    (await infer(running.url, { headers: { 'x-request-id': 'r-1', 'x-tenant': 'a'.repeat(3000) } })).status,
    200,
  );
  let text = '';
  await until(async () => {
    text = await (await fetch(`${running.adminUrl}/api/comparisons`)).text();
    return text.includes('r-1');
  }, 'the comparison');
  assert.match(text, /"x-tenant":"a{64}"/);
});

test('a caller that asks for the shadow by name gets it, and there is nothing to copy', async (t) => {
  const { mirrored, running } = await setUp(t, '{ version: v2, sample: 100% }');
  const answer = await fetch(`${running.url}/v2/models/m/versions/v2/infer`, { method: 'POST', body: '{}' });
  assert.equal(answer.headers.get('x-sluice-version'), 'v2');
  await sleep(50);
  assert.equal(mirrored.seen.length, 1);
  assert.equal((await shadowIn(running)).counts.offered, 0);
});

test('looks at a model and requests that callers gave up are not copied, and the latter are counted', async (t) => {
  const { mirrored, primary, running } = await setUp(t, '{ version: v2, sample: 100% }');
  await fetch(`${running.url}/v2/models/m`);
  await infer(running.url, { signal: AbortSignal.timeout(1) }).catch(() => {});
  await until(async () => {
    const { offered, dropped } = (await shadowIn(running)).counts;
    const posts = callsAt(primary).filter(({ method }) => method === 'POST').length;
    return offered === posts && offered >= (dropped.client_left ?? 0);
  }, 'the count');
  assert.ok(mirrored.seen.every(({ method }) => method === 'POST'));
});

test('a paused shadow gets nothing until it is resumed, and both are on record with who and why', async (t) => {
  const { mirrored, running } = await setUp(t, '{ version: v2, sample: 100% }');
  const paused = await order(running, 'm/shadows/v2/pause', { reason: 'too dear', by: 'ada' });
  assert.deepEqual(
    [paused.status, await paused.json()],
    [200, { model: 'm', shadow: 'v2', isPaused: true, shared: true }],
  );
  await infer(running.url);
  const { isPaused, counts } = await shadowIn(running);
  assert.deepEqual([isPaused, counts.dropped.paused, mirrored.seen.length], [true, 1, 0]);
  assert.equal((await order(running, 'm/shadows/v2/resume')).status, 200);
  await infer(running.url);
  await copyAt(mirrored);
  const { entries } = (await (await fetch(`${running.adminUrl}/api/audit`)).json()) as { entries: object[] };
  assert.match(
    JSON.stringify(entries),
    /"event":"shadow paused","model":"m","shadow":"v2","by":"ada","reason":"too dear"/,
  );
});

test('orders to shadows are refused without a reason, as a form, from another origin and for a name that is none', async (t) => {
  const { running } = await setUp(t, '{ version: v2, sample: 100% }');
  const refused: readonly [Promise<Response>, number][] = [
    [order(running, 'm/shadows/v2/pause', {}), 400],
    [order(running, 'm/shadows/v7/pause'), 404],
    [order(running, 'nowhere/shadows/v2/pause'), 404],
    [order(running, 'm/shadows/v2/pause', {}, { headers: { 'content-type': 'text/plain' } }), 415],
    [
      order(running, 'm/shadows/v2/pause', undefined, {
        headers: { origin: 'https://evil.test', 'content-type': 'application/json' },
      }),
      403,
    ],
    [fetch(`${running.adminUrl}/api/models/m/shadows/v2/pause`), 404],
  ];
  for (const [answer, status] of refused) assert.equal((await answer).status, status);
  assert.equal((await shadowIn(running)).isPaused, false);
});

test('a gateway ends in time while its shadow is frozen', async (t) => {
  const { running } = await setUp(t, '{ version: v2, sample: 100% }', silent);
  for (let i = 0; i < 5; i++) assert.equal((await infer(running.url)).status, 200);
  const start = performance.now();
  await running.close();
  assert.ok(performance.now() - start < 5000);
});

test('a candidate whose shadow says something else is rolled back by its own guard, and one that agrees is not', async (t) => {
  const rollout = (id: string) =>
    `rollout: { id: ${id}, candidate: v2, unit: header x-u, steps: [1%], rollback: { pause: 1s, disagreement: 3% } }`;
  for (const [id, script, isRolledBack] of [
    ['other', answering(OTHER), true],
    ['same', answering(ANSWER), false],
  ] as const) {
    const { running } = await setUp(
      t,
      '{ version: v2, sample: 100%, compare: { as: classification, output: p } }',
      script,
      rollout(id),
    );
    let asked = 0;
    const ask = () =>
      Promise.all(
        Array.from({ length: 100 }, async () =>
          (await infer(running.url, { headers: { 'x-u': `u-${asked++}` } })).arrayBuffer(),
        ),
      );
    const standing = () => standingOf(running.adminUrl);
    if (isRolledBack) {
      await until(async () => {
        await ask();
        return (await standing())?.rolledBack !== undefined;
      }, 'the rollback');
      assert.match((await standing())?.rolledBack?.sentence ?? '', /disagree/);
    } else {
      const end = performance.now() + 2500; // two ticks of the judge
      await until(async () => {
        await ask();
        return performance.now() > end && (await shadowIn(running)).counts.answered > 500;
      }, '500 copies that were answered');
      assert.equal((await standing())?.rolledBack, undefined);
    }
  }
});
