// What callers do alone does not speak against a version: heavy ones, failing ones, slow ones, and those who ask for what is not
// there.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from '../support/fake-server.ts';
import { rawCaller } from '../support/raw-caller.ts';
import { ask, callersOf, callersWith, Member, phasesOf, suspensionsIn, Traffic } from './rollout-traffic.ts';

const ANSWER = { outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 1], data: [0.5] }] };
const QUICK_MS = 5;

const after =
  (ms: number): RequestListener =>
  (incoming, response) =>
    void setTimeout(() => answering(ANSWER)(incoming, response), ms);

test('a caller with a third of the requests, and one whose requests always fail, do not speak against a version', async (t) => {
  // Both versions run on the same server: they are the same in everything.
  const server = await fakeServer(t, (incoming, response) => {
    const fails = incoming.headers['x-user-id'] === poisoned || Math.random() < 0.01;
    answering(fails ? { error: 'failed' } : ANSWER, fails ? 500 : 200)(incoming, response);
  });
  let poisoned = '';
  const model = (name: string, share: string) => `  ${name}:
    timeout: 5s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    rollout: { id: ${name}-r, candidate: v2, unit: header x-user-id, steps: [${share} for 1h, 100%], rollback: { pause: 1s } }
`;
  const member = await new Member(
    t,
    `apiVersion: sluice/v1\nfleet: { s: { url: "${server.url}" } }\nmodels:\n${model('heavy', '5%')}${model('failing', '50%')}`,
  ).start();
  const [toHeavy, toFailing] = [{ path: '/v2/models/heavy/infer' }, { path: '/v2/models/failing/infer' }];
  const [heaviest = ''] = await callersWith(member.url, 'v2', 1, toHeavy);
  const [found = ''] = await callersWith(member.url, 'v2', 1, toFailing);
  assert.notEqual(heaviest, '');
  assert.notEqual(found, '');
  poisoned = found;
  const phases = [phasesOf(t, member, 'heavy'), phasesOf(t, member, 'failing')];
  const crowd = (index: number) => `u${(index * 7919) % 2000}`;
  const all = [
    new Traffic(t, 80, (i) => ask(member.url, i % 10 < 3 ? heaviest : crowd(i), toHeavy)),
    new Traffic(t, 80, (i) => ask(member.url, i % 20 === 0 ? poisoned : crowd(i), toFailing)),
  ];
  await sleep(25_000);
  for (const traffic of all) await traffic.stop();
  for (const [i, traffic] of all.entries()) {
    const standing = await member.standing(i === 0 ? 'heavy' : 'failing');
    t.diagnostic(`${phases[i]?.join(', ')}; ${traffic.answeredBy('v2')} answers of v2; ${standing?.verdict?.sentence}`);
    assert.equal(standing?.rolledBack, undefined);
    assert.ok(suspensionsIn(phases[i] ?? []) <= 1);
    // What fails in the model reaches callers as a 502, never as a 500.
    assert.deepEqual(Object.keys(traffic.statuses), ['200', '502']);
  }
});

test('slow uploads, slow readers and unknown paths of its callers do not speak against an app', async (t) => {
  const large = Buffer.alloc(8 * 1024 * 1024, 'x');
  const app: RequestListener = (incoming, response) => {
    if (incoming.url?.endsWith('/large')) return void response.writeHead(200).end(large);
    if (!incoming.url?.endsWith('/items')) return answering({ error: 'no such page' }, 404)(incoming, response);
    after(QUICK_MS)(incoming, response);
  };
  const [one, two] = await Promise.all([fakeServer(t, app), fakeServer(t, app)]);
  const member = await new Member(
    t,
    `apiVersion: sluice/v1
fleet: { a: { url: "${one.url}" }, b: { url: "${two.url}" } }
models:
  m:
    protocol: http
    prefix: /shop
    timeout: 2s
    versions: { v1: { servers: [a] }, v2: { servers: [b] } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: header x-user-id, steps: [20% for 1h, 100%], rollback: { pause: 1s } }
`,
  ).start();
  const items = { path: '/shop/items', method: 'GET' } as const;
  const users = await callersWith(member.url, 'v2', 12, items);
  assert.equal(users.length, 12);
  const phases = phasesOf(t, member);
  const normal = callersOf(t, member, 60, items);
  const lost = new Traffic(t, 20, (i) =>
    ask(member.url, users[8 + (i % 4)] ?? '', { path: `/shop/lost/${i}`, method: 'GET' }),
  );
  const head = (line: string, user: string, more = '') =>
    `${line} HTTP/1.1\r\nHost: shop\r\nx-user-id: ${user}\r\n${more}\r\n`;
  for (const user of users.slice(0, 4)) {
    const uploader = await rawCaller(t, member.url);
    uploader.send(`${head('POST /shop/items', user, 'Content-Length: 100000\r\n')}half of it`);
  }
  for (const user of users.slice(4, 8)) {
    const reader = await rawCaller(t, member.url);
    reader.send(head('GET /shop/large', user));
    reader.socket.pause();
  }
  await sleep(12_000);
  await Promise.all([normal.stop(), lost.stop()]);
  t.diagnostic(
    `${phases.join(', ')}; ${normal.answeredBy('v2')} answers; ${(await member.standing())?.verdict?.sentence}`,
  );
  assert.deepEqual(phases, ['step 1']);
  assert.deepEqual(normal.statuses, { 200: normal.had.length });
  assert.deepEqual(lost.statuses, { 404: lost.had.length });
  assert.equal(lost.usersOf('v2').size, 4);
  assert.ok(normal.answeredBy('v2') > 60);
});

test('calls of a protocol that its servers do not speak do not speak against a version', async (t) => {
  const withoutV1: RequestListener = (incoming, response) =>
    incoming.url?.startsWith('/v1/')
      ? answering({ error: 'not found' }, 404)(incoming, response)
      : answering(ANSWER)(incoming, response);
  const [mlserver, triton] = await Promise.all([fakeServer(t, withoutV1), fakeServer(t, withoutV1)]);
  const model = (name: string, on: string) => `  ${name}:
    timeout: 1s
    versions: { v1: { servers: [${on}], version: "1" }, v2: { servers: [${on}], version: "2" } }
    baseline: v1
    rollout: { id: ${name}-r, candidate: v2, unit: header x-user-id, steps: [20% for 1h, 100%], rollback: { pause: 1s } }
`;
  const member = await new Member(
    t,
    `apiVersion: sluice/v1
fleet: { mlserver: { url: "${mlserver.url}", kind: mlserver }, triton: { url: "${triton.url}", kind: triton } }
models:
${model('m', 'mlserver')}${model('n', 'triton')}`,
  ).start();
  const phases = [phasesOf(t, member, 'm'), phasesOf(t, member, 'n')];
  const body = JSON.stringify({ instances: [[1]] });
  const traffic: { v2: Traffic; v1: Traffic }[] = [];
  for (const name of ['m', 'n']) {
    const v2 = callersOf(t, member, 40, { path: `/v2/models/${name}/infer` });
    const users = await callersWith(member.url, 'v2', 5, { path: `/v2/models/${name}/infer` });
    const v1 = new Traffic(t, 10, (i) =>
      ask(member.url, users[i % 5] ?? '', { path: `/v1/models/${name}:predict`, body }),
    );
    traffic.push({ v2, v1 });
  }
  await sleep(10_000);
  for (const [i, { v1, v2 }] of traffic.entries()) {
    await Promise.all([v1.stop(), v2.stop()]);
    t.diagnostic(`${phases[i]?.join(', ')}; v1 ${JSON.stringify(v1.statuses)}, v2 ${JSON.stringify(v2.statuses)}`);
    assert.deepEqual(phases[i], ['step 1']);
    assert.equal(v1.statuses[500], undefined);
    assert.deepEqual(v2.statuses, { 200: v2.had.length });
  }
});
