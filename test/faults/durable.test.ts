// What was acknowledged is on disk, and what is not on disk, or not known to the other gateways, is said, counted and tried again.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sluice } from '../gateway/cli/sluice.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gatewayOf, infer, policyFile } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { needs } from '../support/programs.ts';
import { type RedisServer, redisServer } from '../support/redis.ts';
import { fill, needsRoot, smallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';

const ROOT = needsRoot();
const REDIS = needs('redis-server');
/** How long another gateway may go on with a candidate once it can be told. */
const TOLD_MS = 2000;
/** Redis lets a gateway that was refused come back within 5 s. */
const BACK_MS = 15_000;

async function policyText(t: TestContext): Promise<string> {
  const server = await fakeServer(t, answering({ outputs: [] }));
  return `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: header x-user-id, steps: [40% for 1h, 100%], rollback: {} }
`;
}

const JSON_TYPE = { 'content-type': 'application/json' };

type Gateway = { readonly url: string; readonly adminUrl: string };

async function order(adminUrl: string, action = 'rollback', headers: Record<string, string> = {}) {
  const answer = await fetch(`${adminUrl}/api/models/m/rollout/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ reason: 'it is bad' }),
  });
  const body = (await answer.json()) as { error?: string; held?: string; warning?: string };
  return { status: answer.status, ...body };
}

/** How many of 30 callers the candidate answers. */
async function candidateOf30({ url }: Gateway): Promise<number> {
  const users = Array.from({ length: 30 }, (_, i) => `u${i}`);
  const answers = await Promise.all(users.map((user) => infer(url, { headers: { 'x-user-id': user } })));
  return answers.filter(({ headers }) => headers.get('x-sluice-version') === 'v2').length;
}

async function pending({ adminUrl }: Gateway, at: 'disk' | 'store'): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(new RegExp(`^sluice_rollbacks_pending\\{at="${at}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
}

type Status = {
  policy: { uncopied?: string };
  store: { up: boolean; reason?: string };
  pendingRollbacks: { id: string; at: string; sentence: string }[];
  models: { m: { rollouts: { standing: { phase: string; epoch: number; rolledBack?: { sentence: string } } }[] } };
};

async function statusOf({ adminUrl }: Gateway): Promise<Status> {
  return (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
}

async function phaseOf(gateway: Gateway): Promise<string | undefined> {
  return (await statusOf(gateway)).models.m.rollouts[0]?.standing.phase;
}

/** Gateways on one Redis, each with a folder of its own unless it is given one. */
async function gatewaysOn(t: TestContext, urls: readonly string[], folders: readonly (string | undefined)[] = []) {
  const text = await policyText(t);
  const gateways = await Promise.all(
    urls.map((redisUrl, i) => {
      const data = folders[i];
      return gatewayOf(t, policyFile(t, text), { redisUrl, ...(data === undefined ? {} : { data }) });
    }),
  );
  for (const gateway of gateways)
    await until(async () => (await phaseOf(gateway)) === 'step 1', 'the first step at every gateway');
  return gateways as unknown as [Gateway, Gateway];
}

test(
  'a rollback that a full disk refuses is a 503, in effect, written with its reason when there is room, and outlives SIGKILL',
  ROOT,
  async (t) => {
    const disk = smallDisk(t, '512k');
    const policy = await policyText(t);
    const first = await gatewayProcess(t, policy, ['--data', disk]);
    await until(async () => (await candidateOf30(first)) > 3, 'callers of the candidate');
    const ballast = join(disk, 'ballast');
    fill(ballast);
    const refused = await order(first.adminUrl);
    assert.deepEqual([refused.status, await candidateOf30(first)], [503, 0]);
    assert.match(refused.error ?? '', /in effect, but the disk of this gateway does not take it: it is written again/);
    assert.deepEqual([await pending(first, 'disk'), await pending(first, 'store')], [1, 0]);
    const { store, pendingRollbacks } = await statusOf(first);
    assert.match(`${store.up} ${store.reason}`, /^false the disk does not take .*rollouts.json: ENOSPC/);
    assert.deepEqual(
      pendingRollbacks.map(({ id, at }) => [id, at]),
      [['r', 'disk']],
    );
    rmSync(ballast);
    await until(async () => (await pending(first, 'disk')) === 0, 'the rollback on disk', 5000);
    first.child.signal('SIGKILL');
    await first.child.exited;
    assert.deepEqual(JSON.parse(readFileSync(join(disk, 'rollouts.json'), 'utf8')).rolledBack, ['r']);
    const second = await gatewayProcess(t, policy, ['--data', disk]);
    assert.equal(await candidateOf30(second), 0);
    const standing = (await statusOf(second)).models.m.rollouts[0]?.standing;
    assert.deepEqual([standing?.phase, standing?.rolledBack?.sentence], ['rolled back', 'it is bad']);
  },
);

const USER = 'sluice on >secret ~* &* +@all';

/** The ways in which Redis does not take a rollback, and how that ends. */
const DEAF: Readonly<
  Record<
    string,
    readonly [begin: (redis: RedisServer) => Promise<unknown>, end: (redis: RedisServer) => Promise<unknown>]
  >
> = {
  killed: [(redis) => redis.kill(), (redis) => redis.start()],
  frozen: [async (redis) => redis.signal('SIGSTOP'), async (redis) => redis.signal('SIGCONT')],
  full: [
    (redis) => redis.client().config('SET', 'maxmemory', '1'),
    (redis) => redis.client().config('SET', 'maxmemory', '0'),
  ],
  'without the right to write': [
    (redis) => redis.client().call('ACL', 'SETUSER', 'sluice', '-@write', '-@scripting'),
    (redis) => redis.client().call('ACL', 'SETUSER', 'sluice', '+@all'),
  ],
  'without any right': [
    (redis) => redis.client().call('ACL', 'SETUSER', 'sluice', 'resetkeys'),
    (redis) => redis.client().call('ACL', 'SETUSER', 'sluice', '~*'),
  ],
};

for (const [how, [begin, end]] of Object.entries(DEAF))
  test(
    `a rollback while Redis is ${how} says that it holds at this gateway only, and is told to the others when it can be`,
    REDIS,
    async (t) => {
      const redis = await redisServer(t, { args: ['--user', ...USER.split(' ')] });
      const url = redis.url.replace('redis://', 'redis://sluice:secret@');
      const [one, two] = await gatewaysOn(t, [url, url]);
      await begin(redis);
      const done = await order(one.adminUrl);
      assert.deepEqual([done.status, done.held], [202, 'this gateway only']);
      assert.match(done.warning ?? '', /holds at this gateway only/);
      assert.deepEqual([await candidateOf30(one), await pending(one, 'store'), await pending(one, 'disk')], [0, 1, 0]);
      assert.deepEqual(
        (await statusOf(one)).pendingRollbacks.map(({ id, at }) => [id, at]),
        [['r', 'store']],
      );
      assert.ok((await candidateOf30(two)) > 3, 'the other one goes on');
      await end(redis);
      await until(async () => (await pending(one, 'store')) === 0, 'the rollback in Redis', BACK_MS);
      await until(
        async () => (await candidateOf30(two)) === 0,
        'the rollback at the other gateway',
        how === 'killed' ? BACK_MS : TOLD_MS,
      );
      const again = await order(one.adminUrl);
      assert.deepEqual([again.status, again.held, again.warning], [200, 'every gateway', undefined]);
    },
  );

test(
  'the command says that a rollback holds at one gateway only, by its exit code too, and so does the status',
  REDIS,
  async (t) => {
    const redis = await redisServer(t);
    const [one] = await gatewaysOn(t, [redis.url]);
    await redis.kill();
    const admin = ['--admin', one.adminUrl];
    const ordered = await sluice(['rollback', 'm', '--reason', 'it is bad', ...admin]);
    assert.deepEqual([ordered.code, ordered.stdout], [3, 'rollout r is rolled back\n']);
    assert.match(ordered.stderr, /^sluice: it holds at this gateway only/);
    assert.match((await sluice(['status', ...admin])).stdout, /! the rollback of r holds at this gateway only/);
    await redis.start();
    await until(async () => (await pending(one, 'store')) === 0, 'the rollback in Redis', BACK_MS);
    assert.equal((await sluice(['rollback', 'm', '--reason', 'it is bad', ...admin])).code, 0);
    assert.doesNotMatch((await sluice(['status', ...admin])).stdout, /at this gateway/);
  },
);

test('a gateway that may read Redis but not write hears of a rollback elsewhere', REDIS, async (t) => {
  const redis = await redisServer(t, { args: ['--user', ...USER.split(' ')] });
  const [one, two] = await gatewaysOn(t, [redis.url, redis.url.replace('redis://', 'redis://sluice:secret@')]);
  await redis.client().call('ACL', 'SETUSER', 'sluice', '-@write', '-@scripting');
  assert.equal((await order(one.adminUrl)).status, 200);
  await until(async () => (await candidateOf30(two)) === 0, 'the rollback at the other gateway', TOLD_MS);
});

test('a gateway with a full disk hears of a rollback elsewhere, and the others hear of its own', {
  ...ROOT,
  ...REDIS,
  skip: ROOT.skip || REDIS.skip,
}, async (t) => {
  for (const where of ['full', 'other'] as const) {
    const redis = await redisServer(t);
    const disk = smallDisk(t, '512k');
    const [full, other] = await gatewaysOn(t, [redis.url, redis.url], [disk]);
    fill(join(disk, 'ballast'));
    const done = await order((where === 'full' ? full : other).adminUrl);
    assert.equal(done.status, where === 'full' ? 503 : 200, where);
    if (where === 'full') assert.doesNotMatch(done.error ?? '', /this gateway only/);
    for (const gateway of [full, other])
      await until(
        async () => (await candidateOf30(gateway)) === 0,
        `the rollback, ordered at the ${where} one`,
        TOLD_MS,
      );
    assert.equal(await pending(full, 'disk'), 1);
    rmSync(join(disk, 'ballast'));
    await until(async () => (await pending(full, 'disk')) === 0, 'the rollback on disk', 5000);
    assert.deepEqual(JSON.parse(readFileSync(join(disk, 'rollouts.json'), 'utf8')).rolledBack, ['r']);
  }
});

test(
  'a last good copy that a full disk refuses is said in the status, and kept as soon as there is room',
  ROOT,
  async (t) => {
    const disk = smallDisk(t, '512k');
    const text = await policyText(t);
    const file = policyFile(t, text);
    const gateway = await gatewayOf(t, file, { data: disk });
    const copy = () =>
      readdirSync(disk)
        .filter((name) => /^last-good-policy-.*yaml$/.test(name))
        .map((name) => readFileSync(join(disk, name), 'utf8'));
    assert.deepEqual(copy(), [text]);
    fill(join(disk, 'ballast'));
    const next = text.replace('timeout: 1s', 'timeout: 2s');
    writeFileSync(file, next);
    await until(async () => /ENOSPC/.test((await statusOf(gateway)).policy.uncopied ?? ''), 'the reason in the status');
    assert.deepEqual(copy(), [text]);
    rmSync(join(disk, 'ballast'));
    await until(async () => (await statusOf(gateway)).policy.uncopied === undefined, 'the copy', 5000);
    assert.deepEqual(copy(), [next]);
  },
);

test(
  'of alerts about two candidates each has its effect where the disk refuses both, and the answer is a 503',
  ROOT,
  async (t) => {
    const disk = smallDisk(t, '512k');
    const text = await policyText(t);
    const [, m = ''] = text.split('models:\n');
    const gateway = await gatewayOf(t, policyFile(t, text + m.replace('  m:', '  n:').replace('id: r', 'id: rn')), {
      data: disk,
    });
    await until(async () => (await phaseOf(gateway)) === 'step 1', 'the first step');
    fill(join(disk, 'ballast'));
    const startsAt = new Date(Date.now() + 1000).toISOString();
    const alerts = ['m', 'n'].map((model) => ({
      status: 'firing',
      labels: { model, version: 'v2' },
      startsAt,
      fingerprint: model,
    }));
    const post = () =>
      fetch(`${gateway.adminUrl}/api/alerts`, {
        method: 'POST',
        headers: JSON_TYPE,
        body: JSON.stringify({ version: '4', alerts }),
      });
    assert.equal((await post()).status, 503);
    assert.equal(await pending(gateway, 'disk'), 2);
    assert.equal(await candidateOf30(gateway), 0);
    rmSync(join(disk, 'ballast'));
    await until(async () => (await pending(gateway, 'disk')) === 0, 'both on disk', 5000);
    const again = await post();
    assert.deepEqual(
      [again.status, ((await again.json()) as { rolled_back: string[] }).rolled_back],
      [200, ['r', 'rn']],
    );
  },
);

test('an alert, an order to a shadow and a mark say what is not on disk or not with the other gateways', {
  skip: ROOT.skip || REDIS.skip,
}, async (t) => {
  const redis = await redisServer(t);
  const disk = smallDisk(t, '512k');
  const text = (await policyText(t)).replace('    rollout:', '    shadow: [{ version: v2, sample: 1% }]\n    rollout:');
  const gateway = await gatewayOf(t, policyFile(t, text), { redisUrl: redis.url, data: disk });
  await until(async () => (await phaseOf(gateway)) === 'step 1', 'the first step');
  const post = async (path: string, body: object) => {
    const answer = await fetch(`${gateway.adminUrl}${path}`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify(body),
    });
    return {
      status: answer.status,
      ...((await answer.json()) as { error?: string; warning?: string; shared?: boolean; here_only?: string[] }),
    };
  };
  const reason = { reason: 'a test' };
  fill(join(disk, 'ballast'));
  let mark: Awaited<ReturnType<typeof post>>;
  // The last page of the audit file takes a few more.
  do mark = await post('/api/models/m/shadows/v2/noise', { reason: 'x'.repeat(999), field: 'a' });
  while (mark.status === 200);
  assert.match(`${mark.status} ${mark.error}`, /^503 .*in effect, but the disk of this gateway does not take it/);
  const pause = await post('/api/models/m/shadows/v2/pause', reason);
  assert.match(`${pause.status} ${pause.error}`, /^503 .*the shadow is paused, but the disk/);
  assert.deepEqual(
    Object.keys(await redis.client().hgetall('{sluice}:shadow-orders')),
    ['m/v2'],
    'the others hear of it',
  );
  rmSync(join(disk, 'ballast'));
  await until(async () => (await statusOf(gateway)).store.up, 'a disk that takes all of it', 5000);
  assert.match(readFileSync(join(disk, 'shadow-orders.json'), 'utf8'), /"isPaused": true/);
  assert.match(readFileSync(join(disk, 'audit.jsonl'), 'utf8'), /field marked as noise/);
  await redis.kill();
  const resumed = await post('/api/models/m/shadows/v2/resume', reason);
  assert.deepEqual(
    [resumed.status, resumed.shared, /this gateway only/.test(resumed.warning ?? '')],
    [202, false, true],
  );
  const labels = { model: 'm', version: 'v2' };
  const alert = { status: 'firing', labels, startsAt: new Date(Date.now() + 1000).toISOString(), fingerprint: 'f' };
  const ended = await post('/api/alerts', { version: '4', alerts: [alert] });
  assert.deepEqual([ended.status, ended.here_only], [200, ['r']]);
});
