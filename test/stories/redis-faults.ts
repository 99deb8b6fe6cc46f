// What callers experience, and what becomes of comparisons, while the Redis behind a mirroring gateway fails in some way.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { backend, callers } from '../support/callers.ts';
import { type GatewayProcess, gatewayProcess } from '../support/gateway-process.ts';
import { type RedisServer, type RedisServerOptions, redisServer } from '../support/redis.ts';
import { fill, smallDisk } from '../support/small-disk.ts';
import { until } from '../support/until.ts';

type Fault = {
  /** What the server needs for it. */
  readonly options?: (t: TestContext) => RedisServerOptions;
  readonly begin: (redis: RedisServer) => Promise<void>;
  readonly end: (redis: RedisServer) => Promise<void>;
  /** Whether everything that was written is still there afterwards. */
  readonly keeps: boolean;
};

/** The ways to fail. */
export const FAULTS: Readonly<Record<string, Fault>> = {
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

/** Takes root: a disk of its own is mounted. */
export const OUT_OF_DISK: Fault = {
  options: (t) => ({
    folder: smallDisk(t, '32m'),
    args: ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0'],
  }),
  begin: async (redis) => fill(join(redis.folder, 'ballast')),
  end: async (redis) => rmSync(join(redis.folder, 'ballast')),
  keeps: true,
};

let admin: ReturnType<RedisServer['client']> | undefined;

async function configure(redis: RedisServer, name: string, value: string): Promise<void> {
  await redis.client().config('SET', name, value);
}

export type Traffic = { readonly perSecond: number; readonly quietMs: number; readonly faultMs: number };

type Latency = { readonly p50: number; readonly p99: number };

/** Milliseconds that callers wait: before, while Redis fails, and afterwards. */
export type Seen = { readonly before: Latency; readonly during: Latency; readonly after: Latency };

/** Sends traffic beside the fault. Every request must be answered, and every comparison be accounted for. */
export async function experience(t: TestContext, what: string, fault: Fault, traffic: Traffic): Promise<Seen> {
  const { perSecond, quietMs, faultMs } = traffic;
  const redis = await redisServer(t, fault.options?.(t));
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
  const load = async (forMs: number) => {
    const { latency, failures } = await callers(gateway.url, { body: '{"inputs":[]}', perSecond, forMs });
    return { p50: latency(0.5), p99: latency(0.99), failures };
  };
  const opening = await load(quietMs); // connections open, code compiled
  const before = await load(quietMs);
  const [during] = await Promise.all([
    load(faultMs),
    (async () => {
      await fault.begin(redis);
      await sleep(faultMs - 500);
      await fault.end(redis);
    })(),
  ]);
  const after = await load(quietMs);
  assert.deepEqual(
    [opening, before, during, after].flatMap(({ failures }) => failures),
    [],
    `${what}: every caller has an answer`,
  );
  const told = await account(gateway, Math.floor((perSecond * (3 * quietMs + faultMs)) / 1000));
  const ids = await idsIn(gateway);
  assert.equal(new Set(ids).size, ids.length, 'nothing is there twice');
  assert.ok(ids.length <= told.written + told.unknown, `${ids.length} are there`);
  if (fault.keeps) assert.ok(ids.length >= told.written, `${ids.length} are there`);
  t.diagnostic(`${what}: ${line('before', before)}; ${line('during', during)}; ${line('after', after)}`);
  t.diagnostic(JSON.stringify(told));
  return { before, during, after };
}

function line(when: string, { p50, p99 }: Latency): string {
  return `${when} p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)} ms`;
}

/** The counts, once each comparison of so many requests is in them. */
async function account(gateway: GatewayProcess, asked: number) {
  let told = { pairs: 0, offered: 0, written: 0, dropped: 0, unknown: 0 };
  const isComplete = async () => {
    told = countsIn(await (await fetch(`${gateway.adminUrl}/metrics`)).text());
    const { pairs, offered, written, dropped, unknown } = told;
    return pairs === asked && offered === asked && offered === written + dropped + unknown;
  };
  await until(isComplete, 'an account of every comparison', 30_000).catch((error: unknown) =>
    assert.fail(`${error}: ${JSON.stringify({ asked, ...told })}`),
  );
  return told;
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
