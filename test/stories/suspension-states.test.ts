// Stored states that this release cannot read: damaged, or of another release. Nobody is led to such a candidate, the gateway
// says why, and a person can still end the rollout. What the release before has written goes on.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { documentOf } from '../../gateway/judge/rollout/document.ts';
import { newRollout, type RolloutState } from '../../gateway/judge/rollout/state.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { redisServer } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { ask, callersWith, Member } from './rollout-traffic.ts';

type Document = Readonly<Record<string, unknown>>;

/** A rollout in its first step, as this release stores it. */
function inStep(model: string): RolloutState {
  const fresh = newRollout(`${model}-r`, model, 'v2', 'v1', `${model}.canary.${model}-r`);
  return { ...fresh, epoch: 3, phase: { name: 'step', step: 0 }, startedAt: '2026-11-01T10:00:00.000Z' };
}

const withState = (model: string, change: Document): Document => ({
  ...documentOf(inStep(model)),
  state: { ...inStep(model), ...change },
});

/** By model: what is stored of its rollout, and what is said of it. */
const DAMAGED: Readonly<Record<string, readonly [document: Document, says: RegExp]>> = {
  'of-format-3': [{ ...documentOf(inStep('of-format-3')), format: 3 }, /format 3 was written by another release/],
  'without-evidence': [withState('without-evidence', { evidence: {} }), /cannot be read: evidence\.clock/],
  'of-unknown-phase': [withState('of-unknown-phase', { phase: { name: 'dancing', step: 0 } }), /cannot be read: phase/],
  'without-state': [{ ...documentOf(inStep('without-state')), state: null }, /cannot be read: document: .*null/],
  'with-null-inside': [withState('with-null-inside', { requests: null }), /cannot be read: requests/],
  'of-the-first-format': [
    { id: 'of-the-first-format-r', epoch: 3, model: 'of-the-first-format', phase: { name: 'unheard-of' } },
    /cannot be read: /,
  ],
};
const NAMES = Object.keys(DAMAGED);

const policyOf = (url: string, names: readonly string[]) => `apiVersion: sluice/v1
fleet: { s: { url: "${url}" } }
models:
${names
  .map(
    (name) => `  ${name}:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    pins: any
    rollout: { id: ${name}-r, candidate: v2, unit: header x-user-id, warm_up: 0, steps: [50% for 1h, 100%], rollback: { pause: 1s } }
`,
  )
  .join('')}`;

const pathTo = (name: string) => ({ path: `/v2/models/${name}/infer` });
const pinned = (url: string, name: string) =>
  ask(url, 'someone', { ...pathTo(name), headers: { 'x-sluice-version': 'v2' } });

/** Stores documents in the data folder of a gateway that has not started yet. */
function store(member: Member, documents: readonly unknown[]): void {
  const file = member.path('rollouts.json');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ documents, rolledBack: [] }));
}

/** What it has logged as an error; on a busy machine an answer of Redis may also come late, which is another matter. */
function errorsOf(member: Member): string[] {
  return member.logged('error').filter((line) => !line.includes('gave no answer in time'));
}

async function assertHeld(t: TestContext, member: Member): Promise<void> {
  await until(async () => (await member.status()).held.length === NAMES.length, 'every one of them held');
  for (const name of NAMES)
    for (let i = 0; i < 12; i++) {
      const had = await ask(member.url, `u${i}`, pathTo(name));
      assert.deepEqual([had.status, had.version], [200, 'v1'], name);
    }
  for (const { id, sentence } of (await member.status()).held) {
    assert.match(sentence, DAMAGED[id.slice(0, -2)]?.[1] ?? /^$/, id);
    t.diagnostic(`${id}: ${sentence}`);
  }
  // It is said once, not every second.
  await sleep(3000);
  for (const name of NAMES) {
    const lines = member.logged('error').filter((line) => line.includes(`"rollout":"${name}-r"`));
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', /is held on its baseline/);
  }
  const others = errorsOf(member).filter((line) => !line.includes('is held on its baseline'));
  assert.deepEqual(others, []);
  // Another rollout beside them is under way.
  assert.equal(await member.phase('sound'), 'step 1');
  assert.equal((await callersWith(member.url, 'v2', 1, pathTo('sound'))).length, 1);
}

async function assertCanBeEnded(member: Member): Promise<void> {
  for (const name of NAMES) {
    const { status, text } = await member.order('rollback', name);
    assert.equal(status, 200, `${name}: ${text}`);
    assert.equal((await pinned(member.url, name)).status, 409, name);
    assert.equal(await member.phase(name), 'rolled back');
    assert.equal((await ask(member.url, 'u1', pathTo(name))).version, 'v1');
  }
  await until(async () => (await member.status()).held.length === 0, 'nothing that is held');
}

test('rollouts whose stored state cannot be read are held on the baseline, say why, and can be rolled back', async (t) => {
  const server = await fakeServer(t, answering({ outputs: [] }));
  const member = new Member(t, policyOf(server.url, [...NAMES, 'sound']));
  store(member, [...NAMES.map((name) => DAMAGED[name]?.[0]), documentOf(inStep('sound'))]);
  await member.start();
  await assertHeld(t, member);
  await assertCanBeEnded(member);
  await member.kill();
  await member.start();
  for (const name of NAMES) assert.equal((await pinned(member.url, name)).status, 409, name);
});

test('the same states in Redis: held on the baseline, with the reason, and can be rolled back', async (t) => {
  const redis = await redisServer(t);
  const server = await fakeServer(t, answering({ outputs: [] }));
  const text = policyOf(server.url, [...NAMES, 'sound']);
  const client = redis.client();
  const documents = [...NAMES.map((name) => DAMAGED[name]?.[0] ?? {}), documentOf(inStep('sound'))];
  for (const document of documents)
    await client.hset('{sluice}:rollouts', String(document.id), JSON.stringify(document));
  const member = await new Member(t, text, { redisUrl: redis.url }).start();
  await assertHeld(t, member);
  await assertCanBeEnded(member);
  const other = await new Member(t, text, { redisUrl: redis.url }).start();
  for (const name of NAMES) assert.equal((await pinned(other.url, name)).status, 409, name);
});

test('text in Redis that is no document does not lead anyone to a candidate, and is no trouble for others', async (t) => {
  const redis = await redisServer(t);
  const server = await fakeServer(t, answering({ outputs: [] }));
  const texts = { empty: 'null', broken: '{"id":"broken-r","epoch":', list: '[]', nameless: '{"epoch":3}' };
  const client = redis.client();
  for (const [name, text] of Object.entries(texts)) await client.hset('{sluice}:rollouts', `${name}-r`, text);
  const names = Object.keys(texts);
  const member = await new Member(t, policyOf(server.url, [...names, 'sound']), { redisUrl: redis.url }).start();
  await until(async () => (await member.phase('sound')) === 'step 1', 'the first step of the sound one');
  await sleep(2000);
  const { held } = await member.status();
  assert.deepEqual(held.map(({ id }) => id).sort(), names.map((name) => `${name}-r`).sort());
  for (const { sentence } of held) assert.match(sentence, /Redis holds a value that is no document/);
  const errors = errorsOf(member);
  assert.equal(
    errors.filter((line) => line.includes('is held on its baseline')).length,
    names.length,
    errors.join('\n'),
  );
  assert.equal(errors.filter((line) => line.includes(':rollouts is damaged: ')).length, 1, errors.join('\n'));
  assert.equal(errors.length, names.length + 1, errors.join('\n'));
  for (const name of names) {
    const { status, version } = await ask(member.url, 'u1', pathTo(name));
    assert.deepEqual([status, version], [200, 'v1']);
    assert.equal((await member.order('rollback', name)).status, 200);
    assert.equal((await pinned(member.url, name)).status, 409);
  }
  // What this gateway knows well is written over a value that was damaged later.
  await client.hset('{sluice}:rollouts', 'sound-r', '{');
  const text = () => client.hget('{sluice}:rollouts', 'sound-r');
  await until(async () => ((await text()) ?? '').includes('"epoch"'), 'the document in Redis again');
  assert.equal(await member.phase('sound'), 'step 1');
  assert.deepEqual((await member.status()).held, []);
});

test('a value that is no document among those in the data folder does not keep the gateway from starting', async (t) => {
  const server = await fakeServer(t, answering({ outputs: [] }));
  const member = new Member(t, policyOf(server.url, ['sound']));
  store(member, [null, documentOf(inStep('sound')), 7, { epoch: 2 }]);
  await member.start();
  assert.equal(await member.phase('sound'), 'step 1');
  assert.equal((await ask(member.url, 'u1', pathTo('sound'))).status, 200);
});

test('a rollout that the release before has stored goes on in its step, with the same callers', async (t) => {
  const server = await fakeServer(t, answering({ outputs: [] }));
  const hits = { trials: 0, hits: 0 };
  const detector = { values: [1, 2], step: 1, ticks: 40, spent: 0.2 };
  const watch = { detector, since: '2026-11-01T10:00:00.000Z', candidate: [hits], baseline: [hits] };
  const silent = { errors: hits, over: hits, silent: 0 };
  const document = {
    id: 'm-r',
    model: 'm',
    candidate: 'v2',
    baseline: 'v1',
    epoch: 5,
    phase: { name: 'step', step: 1 },
    startedAt: '2026-11-01T10:00:00.000Z',
    bakedMs: 60_000,
    totalMs: 120_000,
    requests: 77,
    edges: { cpu: [5, 9, 12, 20, 40], gpu: [] },
    evidence: {
      errors: watch,
      slow: watch,
      errorRate: watch,
      latency: watch,
      disagreement: watch,
      baseline: { errorRate: detector, latency: detector, recent: silent },
      breaker: 'closed',
      promotion: { log: 0.3, expected: 0.5, counted: hits },
      comparisons: { raw: hits, noise: hits },
      examples: { errors: [], slow: [] },
    },
    verdict: { kind: 'insufficient', sentence: 'v2 has answered 77 of the 100 requests', readings: [], examples: [] },
  };
  const text = (more = '') => `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    rollout: { id: m-r, candidate: v2, unit: header x-user-id, ${more}steps: [10% for 1h, 30% for 1h, 100%], rollback: { pause: 1s } }
`;
  const member = new Member(t, text());
  store(member, [document]);
  await member.start();
  const standing = await member.standing();
  assert.deepEqual(
    [standing?.phase, standing?.requests, standing?.startedAt, standing?.epoch],
    ['step 2', 77, document.startedAt, 5],
  );
  assert.ok((standing?.bakedMs ?? 0) >= document.bakedMs);
  assert.deepEqual((await member.status()).held, []);
  // Another gateway, whose rollout is new and names the salt that the release before drew its callers with.
  const other = await new Member(t, text('salt: m.canary, ').replace('10% for 1h, 30% for 1h', '30% for 1h')).start();
  await until(async () => (await other.phase()) === 'step 1', 'the first step of the other');
  for (let i = 0; i < 200; i++) {
    const [here, there] = await Promise.all([ask(member.url, `u${i}`), ask(other.url, `u${i}`)]);
    assert.equal(here.version, there.version, `u${i}`);
  }
  // It is stored in this release's format with the next move, and the callers stay.
  const before = await callersWith(member.url, 'v2', 20);
  assert.equal((await member.order('pause')).status, 200);
  const kept = JSON.parse(readFileSync(member.path('rollouts.json'), 'utf8')) as { documents: Document[] };
  assert.equal(kept.documents[0]?.format, 2);
  await member.kill();
  await member.start();
  assert.match(await member.phase(), /^holding \(paused\) in step 2$/);
  for (const user of before) assert.equal((await ask(member.url, user)).version, 'v2');
});

test('a rollout that a gateway of the release before has moved meanwhile goes on where that one left it', async (t) => {
  const server = await fakeServer(t, answering({ outputs: [] }));
  const text = policyOf(server.url, ['m']).replace('[50% for 1h, 100%]', '[20% for 1h, 50% for 1h, 100%]');
  const member = new Member(t, text);
  store(member, [documentOf(inStep('m'))]);
  await member.start();
  const users = await callersWith(member.url, 'v2', 20, pathTo('m'));
  await member.kill();
  // It knows the outline, and keeps of the rest what it was.
  store(member, [{ ...documentOf(inStep('m')), epoch: 4, phase: { name: 'step', step: 1 }, bakedMs: 5000 }]);
  await member.start();
  assert.deepEqual((await member.status()).held, []);
  assert.equal(await member.phase('m'), 'step 2');
  assert.equal((await member.standing('m'))?.epoch, 4);
  for (const user of users) assert.equal((await ask(member.url, user, pathTo('m'))).version, 'v2');
});
