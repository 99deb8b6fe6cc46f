// Redis fails in every way while a gateway mirrors: callers notice nothing, and what became of every comparison is told exactly.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { Backend } from '../bench/backend-process.ts';
import { type GatewayProcess, gatewayProcess } from '../support/gateway-process.ts';
import { openLoop } from '../support/open-loop.ts';
import { needs } from '../support/programs.ts';
import { type RedisServer, redisServer } from '../support/redis.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const PER_SECOND = 150;
const QUIET_MS = 1500;
const FAULT_MS = 4000;
/** The promise is 5 %; other test files run beside this one, and a twentieth of 2 ms is less than they take. */
const RELAXED_MS = 5;

type Fault = {
  readonly begin: (redis: RedisServer) => Promise<void>;
  readonly end: (redis: RedisServer) => Promise<void>;
  /** Whether everything that was written is still there afterwards. */
  readonly keeps: boolean;
};

const FAULTS: Readonly<Record<string, Fault>> = {
  'killed, and back empty': { begin: (redis) => redis.kill(), end: (redis) => redis.start(), keeps: false },
  frozen: {
    begin: async (redis) => redis.signal('SIGSTOP'),
    end: async (redis) => redis.signal('SIGCONT'),
    keeps: true,
  },
  full: {
    begin: (redis) => configure(redis, 'maxmemory', '1mb'),
    end: (redis) => configure(redis, 'maxmemory', '0'),
    keeps: true,
  },
  'wanting another password': {
    begin: async (redis) => {
      const client = redis.client(); // it stays authenticated
      await client.config('SET', 'requirepass', 'another');
      await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      admin = client;
    },
    end: async () => void (await admin?.config('SET', 'requirepass', '')),
    keeps: true,
  },
};

let admin: ReturnType<RedisServer['client']> | undefined;

async function configure(redis: RedisServer, name: string, value: string): Promise<void> {
  await redis.client().config('SET', name, value);
}

for (const [what, { begin, end, keeps }] of Object.entries(FAULTS)) {
  test(
    `with Redis ${what} no request is lost or slower, and every comparison is accounted for`,
    needs('redis-server'),
    async (t) => {
      const redis = await redisServer(t);
      const [primary, mirrored] = [await backend(t), await backend(t)];
      const gateway = await gatewayProcess(
        t,
        `apiVersion: sluice/v1
fleet: { p: { url: "${primary.urls.url}" }, s: { url: "${mirrored.urls.url}" } }
models:
  m:
    timeout: 2s
    versions: { v1: { servers: [p] }, v2: { servers: [s] } }
    baseline: v1
    shadow: [{ version: v2, sample: 100%, compare: { as: classification, output: probabilities } }]
`,
        [],
        { REDIS_URL: redis.url },
      );
      await load(gateway, QUIET_MS); // connections open, code compiled
      const quiet = await load(gateway, QUIET_MS);
      const [during] = await Promise.all([
        load(gateway, FAULT_MS),
        (async () => {
          await begin(redis);
          await sleep(FAULT_MS - 500);
          await end(redis);
        })(),
      ]);
      assert.deepEqual([...quiet.failures, ...during.failures], []);
      t.diagnostic(
        `p50 ${quiet.p50.toFixed(2)} and ${during.p50.toFixed(2)} ms, p99 ${quiet.p99.toFixed(2)} and ${during.p99.toFixed(2)} ms`,
      );
      assert.ok(during.p50 <= quiet.p50 * 1.05 + RELAXED_MS, `${during.p50} ms beside ${quiet.p50}`);
      let told = { pairs: 0, offered: 0, written: 0, dropped: 0, unknown: 0 };
      const asked = Math.floor((PER_SECOND * (2 * QUIET_MS + FAULT_MS)) / 1000);
      await until(
        async () => {
          told = countsIn(await (await fetch(`${gateway.adminUrl}/metrics`)).text());
          return (
            told.pairs === asked &&
            told.offered === told.written + told.dropped + told.unknown &&
            told.offered === asked
          );
        },
        'an account of every comparison',
        30_000,
      ).catch((error: unknown) => assert.fail(`${error}: ${JSON.stringify({ asked, ...told })}`));
      t.diagnostic(JSON.stringify(told));
      const ids = await idsIn(gateway);
      assert.equal(new Set(ids).size, ids.length, 'nothing is there twice');
      if (keeps)
        assert.ok(ids.length >= told.written && ids.length <= told.written + told.unknown, `${ids.length} are there`);
      else assert.ok(ids.length <= told.written + told.unknown);
    },
  );
}

async function backend(t: TestContext): Promise<Backend> {
  const started = await Backend.start();
  undo(t, () => started.stop());
  return started;
}

async function load({ url }: GatewayProcess, forMs: number) {
  const pool = new Pool(url, { connections: 32 });
  const { sent, latency } = await openLoop({
    perSecond: PER_SECOND,
    forMs,
    send: async () => {
      const { statusCode, body } = await pool.request({
        path: '/v2/models/m/infer',
        method: 'POST',
        body: '{"inputs":[]}',
      });
      await body.dump();
      if (statusCode !== 200) throw new Error(`status ${statusCode}`);
    },
  });
  await pool.close();
  return {
    p50: latency(0.5),
    p99: latency(0.99),
    failures: sent.flatMap(({ result }) => (result.ok ? [] : [String(result.error)])),
  };
}

function countsIn(text: string) {
  const read = (line: string) => Number(new RegExp(`^${line} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  const store = (result: string) => read(`sluice_store_records_total\\{result="${result}"\\}`);
  return {
    pairs: read('sluice_comparisons_total\\{result="compared"\\}'),
    offered: store('offered'),
    written: store('written'),
    dropped: store('dropped'),
    unknown: store('unknown'),
  };
}

/** The ids of everything that is stored. The connection for reading may come back some seconds after that for writing. */
async function idsIn({ adminUrl }: GatewayProcess): Promise<string[]> {
  await until(
    async () => {
      const answer = await fetch(`${adminUrl}/api/comparisons?limit=1`);
      await answer.arrayBuffer();
      return answer.status === 200;
    },
    'a page of comparisons',
    10_000,
  );
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({ limit: '500', ...(cursor === undefined ? {} : { cursor }) });
    const answer = await fetch(`${adminUrl}/api/comparisons?${query}`);
    assert.equal(answer.status, 200);
    const page = (await answer.json()) as { comparisons: { id: string }[]; cursor?: string };
    ids.push(...page.comparisons.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return ids;
}
