// Redis that is there, and refuses: by its access list, by a role, by a type. What the operations say is the store's health.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisKeys } from '../../../../gateway/store/redis/keys.ts';
import { rightsOf } from '../../../../gateway/store/redis/purposes.ts';
import { kindOf, reasonOf } from '../../../../gateway/store/redis/refusal.ts';
import type { Store } from '../../../../gateway/store/store.ts';
import { needs } from '../../../support/programs.ts';
import { type RedisServer, redisServer } from '../../../support/redis.ts';
import { until } from '../../../support/until.ts';
import { batchOf, comparison, written } from '../made.ts';
import { type Replica, replica } from '../shared.ts';

const REDIS = needs('redis-server');
/** The rule of the documentation. */
const RULE = /^ACL SETUSER sluice on >PASSWORD (.*)$/m.exec(readFileSync('gateway/store/README.md', 'utf8'))?.[1] ?? '';
const RIGHTS = rightsOf(redisKeys('sluice'));

/** A user of this server with these rights; returns its REDIS_URL. */
async function userWith(server: RedisServer, rights: string): Promise<string> {
  await server.client().call('ACL', 'SETUSER', 'sluice', 'on', '>secret', ...rights.split(' '));
  return server.url.replace('redis://', 'redis://sluice:secret@');
}

/** Everything that a gateway asks of its store. */
async function useAll(store: Store): Promise<void> {
  store.comparisons.append(batchOf([comparison('a')], [{ id: 'a', text: '{}', ttlMs: 60_000 }]));
  store.experiments.expose('exp', 'a', 'ada');
  store.experiments.add('exp', 'a', new Map([['requests', 1]]));
  store.outcomes.put('m', Math.floor(store.now() / 1000), { v1: { ok: 1 } });
  await store.audit.append({ id: 'x', at: 1 });
  await written(store, 2);
  await sleep(1200); // sums are written every second
  const now = Math.floor(store.now() / 1000);
  const [subject] = await store.comparisons.subjects();
  assert.ok(subject !== undefined);
  await Promise.all([
    store.comparisons.page({ limit: 1 }),
    store.comparisons.page({ limit: 1, after: '0-0' }),
    store.comparisons.news(100),
    store.comparisons.sums(subject, 'hour', 0, Date.now()),
    store.comparisons.kept('a'),
    store.experiments.read('exp'),
    store.audit.read(5),
    store.outcomes.read('m', now - 5, now),
    store.shadowOrders.refresh(),
  ]);
  assert.equal((await store.rollouts.advance({ id: 'r', epoch: 1 }, 0)).kind, 'written');
  assert.deepEqual(await store.rollouts.rollBack('bad'), { shared: true });
  assert.deepEqual(await store.shadowOrders.order('m/v2', true), { shared: true });
  await store.rollouts.refresh();
  await sleep(100);
}

test(
  'with the rights of the documented rule, and no others, everything works and nothing is refused',
  REDIS,
  async (t) => {
    assert.equal(RULE, `resetkeys resetchannels -@all ${RIGHTS}`);
    const server = await redisServer(t);
    const { store, troubles } = await replica(t, await userWith(server, RULE));
    const other = await replica(t, server.url);
    let hints = 0;
    store.rollouts.onHint(() => hints++);
    await useAll(store);
    await other.store.rollouts.advance({ id: 'theirs', epoch: 1 }, 0);
    await until(() => hints > 0, 'a hint');
    assert.deepEqual([store.health().troubles, store.health().failures, troubles], [[], [], []]);
    const denied = (await server.client().call('ACL', 'LOG')) as unknown[];
    assert.deepEqual(denied, []);
  },
);

test(
  'an access list that misses our keys is reported once, with what to grant, and stands until it is granted',
  REDIS,
  async (t) => {
    const server = await redisServer(t);
    const url = await userWith(server, 'resetkeys ~app:* resetchannels +@all');
    const { store, troubles } = await replica(t, url);
    await until(() => !store.health().up, 'the health to say so');
    for (let i = 0; i < 5; i++) await assert.rejects(store.rollouts.refresh(), /NOPERM/);
    await store.rollouts.rollBack('bad');
    const { troubles: standing, failures } = store.health();
    assert.ok(
      standing.some((text) =>
        /does not let Sluice read rollout states .*NOPERM.*ACL SETUSER: ~\{sluice\}:\*/.test(text),
      ),
    );
    assert.ok(
      (failures.find(({ operation, kind }) => operation === 'rollouts_read' && kind === 'permission')?.count ?? 0) >= 5,
    );
    const causes = troubles.map(({ message }) => /\((.*)\);/.exec(message)?.[1]);
    assert.equal(new Set(causes).size, causes.length, `each cause once: ${causes.join(' | ')}`);
    assert.ok(troubles.length <= 4, troubles.join('\n'));
    await userWith(server, RIGHTS);
    await until(() => store.health().up, 'the store to work again', 20_000);
    await store.rollouts.refresh();
    assert.equal(await server.client().sismember('{sluice}:rolled-back', 'bad'), 1);
  },
);

for (const [what, lost, operation] of [
  ['all of them', 'resetkeys', 'rights'],
  ['writing', '-hset -sadd -eval', 'rights'],
  ['the channel', 'resetchannels', 'hints_read'],
  ['the clock', '-time', 'clock_read'],
] as const)
  test(`rights that are revoked while a gateway runs and nothing moves are noticed: ${what}`, REDIS, async (t) => {
    const server = await redisServer(t);
    const { store, troubles } = await replica(t, await userWith(server, RIGHTS));
    await until(() => store.health().up, 'a working store');
    await sleep(200);
    assert.deepEqual(troubles, []);
    await userWith(server, lost);
    const isReported = () =>
      store.health().failures.some((failure) => failure.operation === operation && failure.kind === 'permission');
    await until(isReported, 'the refusal', 40_000);
    assert.ok(!store.health().up && troubles.length > 0);
    await userWith(server, RIGHTS);
    await until(() => store.health().up, 'the store to work again', 20_000);
  });

test('rights that are missing are named in one line', REDIS, async (t) => {
  const server = await redisServer(t);
  const url = await userWith(server, `${RIGHTS} -sadd -hset -xadd`);
  const { store, troubles } = await replica(t, url);
  await until(() => !store.health().up, 'the health to say so');
  const text = troubles.map(({ message }) => message).find((message) => /NOPERM for/.test(message)) ?? '';
  assert.match(
    text,
    /NOPERM for hset, sadd, xadd: .*grant it with ACL SETUSER: ~\{sluice\}:\* &\{sluice\}:\* .*\+sadd/,
  );
});

test('whichever right is missing, every report says to grant it', REDIS, async (t) => {
  const server = await redisServer(t);
  // What clients send for themselves is not needed at one server, and AUTH comes before any right.
  const commands = RIGHTS.split(' ').filter((word) => /^\+(?!client|cluster|readonly|select)/.test(word));
  assert.ok(commands.length > 25 && commands.includes('+info') && commands.includes('+type'));
  const missing = commands.map((command) => command.slice(1));
  const silent = await Promise.all(
    missing.map(async (command) => {
      const user = `no-${command}`;
      await server.client().call('ACL', 'SETUSER', user, 'on', '>secret', ...RIGHTS.split(' '), `-${command}`);
      const { store, troubles } = await replica(t, server.url.replace('redis://', `redis://${user}:secret@`));
      await until(() => !store.health().up, `the lack of ${command}`);
      await sleep(300);
      const wrong = troubles.filter(({ message }) => !new RegExp(`ACL SETUSER: .*\\+${command}( |$)`).test(message));
      return wrong.map(({ message }) => `${command}: ${message}`);
    }),
  );
  assert.deepEqual(silent.flat(), []);
});

test('a replica that takes no writes is reported though nothing is written', REDIS, async (t) => {
  const primary = await redisServer(t);
  const server = await redisServer(t, { args: ['--replicaof', '127.0.0.1', String(primary.port)] });
  const { store } = await replica(t, server.url);
  await until(() => store.health().failures.some(({ kind }) => kind === 'replica'), 'the refusal');
  assert.match(store.health().reason ?? '', /replica and takes no writes/);
});

test('a refused order of a person is news for a while, and over when the next one works', REDIS, async (t) => {
  const server = await redisServer(t);
  const { store }: Replica = await replica(t, server.url);
  await until(() => store.health().up, 'a working store');
  const client = server.client();
  await client.set('{sluice}:units:exp', 'theirs');
  await assert.rejects(store.experiments.read('exp'), /cannot be read now.*WRONGTYPE/);
  assert.match(
    store.health().reason ?? '',
    /read experiments: a Redis key of Sluice holds what another application wrote/,
  );
  await client.del('{sluice}:units:exp');
  await store.experiments.read('exp');
  assert.ok(store.health().up);
});

test('each error of Redis is of one kind, and says what to do', () => {
  const of: readonly (readonly [string, string])[] = [
    ['NOPERM this user has no permissions to access one of the keys used as arguments', 'permission'],
    [
      "ERR The user executing the script can't run this command or subcommand script: e5, on @user_script:1.",
      'permission',
    ],
    ['MOVED 866 127.0.0.1:7002', 'moved'],
    ['CLUSTERDOWN Hash slot not served', 'moved'],
    ["READONLY You can't write against a read only replica.", 'replica'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'full'],
    ['MISCONF Errors writing to the AOF file: No space left on device', 'disk'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'type'],
    ['LOADING Redis is loading the dataset in memory', 'loading'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'credentials'],
    ['NOAUTH Authentication required.', 'credentials'],
    ["Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list", 'certificate'],
    ['self-signed certificate in certificate chain', 'certificate'],
    ['Command timed out', 'timeout'],
    ["Stream isn't writeable and enableOfflineQueue options is false", 'lost'],
    ['connect ECONNREFUSED 127.0.0.1:1', 'lost'],
    ['connect ETIMEDOUT', 'lost'],
    ['ERR DB index is out of range', 'lost'],
    ['Redis does not give database 5 (NOPERM this user has no permissions to run the select command)', 'lost'],
    ['ERR unknown command', 'other'],
  ];
  for (const [message, kind] of of)
    assert.deepEqual([kindOf(message), reasonOf(message) !== ''], [kind, true], message);
});
