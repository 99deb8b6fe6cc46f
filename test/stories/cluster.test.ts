// The cluster of deploy/ with plain processes on loopback: two gateways, three model servers, Redis, Prometheus, Alertmanager.
// A model server is killed, a gateway is drained and replaced as in an upgrade: nobody loses a request, and a rollback stands.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { Child } from '../../gateway/cli/run/child.ts';
import { digitsOf } from '../../model-server/samples/digits.ts';
import { readHeldOut } from '../../model-server/samples/held-out.ts';
import { labelledDigit } from '../../model-server/samples/labelled.ts';
import { folderOf } from '../support/folder.ts';
import { freePorts } from '../support/free-ports.ts';
import { needs } from '../support/programs.ts';
import { prometheusAndAlertmanager } from '../support/prometheus.ts';
import { type RedisServer, redisServer } from '../support/redis.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

/** Between two requests of one of the callers. */
const PACE_MS = 40;
const CALLERS = 3;
const DRAIN_GRACE_MS = 1000;

function policyOf(servers: readonly string[]): string {
  const names = servers.map((_, i) => `s${i}`);
  const fleet = servers.map((url, i) => `  s${i}: { url: "${url}" }`).join('\n');
  const on = `servers: [${names.join(', ')}]`;
  return `apiVersion: sluice/v1
fleet:
${fleet}
models:
  digits:
    timeout: 3s
    versions: { v1: { ${on}, version: "1" }, v2: { ${on}, version: "2" } }
    baseline: v1
    shadow: [{ version: v2, sample: 100%, compare: { as: classification, output: probabilities } }]
    rollout: { id: digits-v2, candidate: v2, unit: header x-user-id, without_unit: random, steps: [50%], rollback: { error_rate: 5%, versus_baseline: 2x } }
  balanced: { timeout: 3s, versions: { v1: { ${on}, model: digits-balanced } }, baseline: v1 }
  accurate: { timeout: 3s, versions: { v1: { ${on}, model: digits-accurate } }, baseline: v1 }
  ladder:
    tiers:
      ladder: { balanced: balanced, accurate: accurate }
      rules: [{ use: balanced }]
      costs: { balanced: 0.12, accurate: 1.4 }
      escalate: { below: { balanced: 0.97 }, budget: 30%, confidence: { output: probabilities } }
`;
}

type Member = { readonly child: Child; readonly url: string; readonly adminUrl: string };

class Cluster {
  readonly t: TestContext;
  readonly folder: string;
  readonly redis: RedisServer;
  readonly ports: readonly number[];
  servers: Child[] = [];
  gateways: Member[] = [];
  #made = 0;

  constructor(t: TestContext, redis: RedisServer, ports: readonly number[]) {
    this.t = t;
    this.redis = redis;
    this.ports = ports;
    this.folder = folderOf(t, 'cluster');
  }

  get policy(): string {
    return join(this.folder, 'policy.yaml');
  }

  async startServer(port: number): Promise<Child> {
    const child = new Child([
      'model-server',
      '--models',
      'config/models',
      '--port',
      String(port),
      '--log-level',
      'error',
    ]);
    undo(this.t, () => child.stop());
    await child.listening;
    return child;
  }

  /** A gateway with a disk of its own, as a new pod has one. */
  async startGateway(port: number, adminPort: number): Promise<Member> {
    const data = join(this.folder, `data-${this.#made++}`);
    const where = ['--port', String(port), '--admin-port', String(adminPort), '--data', data, '--policy', this.policy];
    const grace = ['--drain-grace', `${DRAIN_GRACE_MS}ms`, '--log-level', 'error'];
    const child = new Child(['gateway', ...where, ...grace], { env: { REDIS_URL: this.redis.url } });
    undo(this.t, () => child.stop());
    const { url, adminUrl = '' } = await child.listening;
    return { child, url, adminUrl };
  }
}

/** What stands before gateways, as a Service does: only those whose readiness is on get new requests. */
class Balancer {
  readonly cluster: Cluster;
  #ready: readonly Member[] = [];
  #next = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.#timer = setInterval(() => void this.look(), 200).unref();
  }

  async look(): Promise<void> {
    const { gateways } = this.cluster;
    const answers = await Promise.all(
      gateways.map(async ({ adminUrl }) => (await fetch(`${adminUrl}/readyz`).catch(() => undefined))?.ok === true),
    );
    this.#ready = gateways.filter((_, i) => answers[i]);
  }

  pick(): Member {
    const member = this.#ready[this.#next++ % this.#ready.length];
    assert.ok(member !== undefined, 'no gateway is ready');
    return member;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** Callers that go on until they are stopped; what they lost is what did not end as a 200. */
class Callers {
  answered = 0;
  readonly lost: string[] = [];
  readonly versions = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;

  constructor(balancer: Balancer) {
    const bodies = digitsOf(readHeldOut('config/data'))
      .slice(0, 200)
      .map((digit) => JSON.stringify(labelledDigit(digit).request));
    this.#done = Promise.all(
      Array.from({ length: CALLERS }, async (_, caller) => {
        for (let i = 0; !this.#stop.signal.aborted; i++) {
          await this.#call(
            balancer.pick().url,
            i % 3 === 0 ? 'ladder' : 'digits',
            bodies[(i * CALLERS + caller) % bodies.length] ?? '',
            `${caller}-${i}`,
          );
          await sleep(PACE_MS);
        }
      }),
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #call(url: string, model: string, body: string, user: string): Promise<void> {
    try {
      const headers = { 'content-type': 'application/json', 'x-user-id': user };
      const answer = await fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', headers, body });
      const text = await answer.text();
      if (answer.status !== 200) this.lost.push(`${answer.status} ${text}`);
      else this.answered++;
      const version = answer.headers.get('x-sluice-version') ?? '';
      if (model === 'digits') this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
    } catch (error) {
      this.lost.push(String((error as Error).cause ?? error));
    }
  }
}

type Told = { models: { digits: { rollouts: { standing: { rolledBack?: object } }[] } } };

async function isRolledBack({ adminUrl }: Member): Promise<boolean> {
  const { models } = (await (await fetch(`${adminUrl}/api/status`)).json()) as Told;
  return models.digits.rollouts[0]?.standing.rolledBack !== undefined;
}

async function setUp(t: TestContext): Promise<{ cluster: Cluster; balancer: Balancer }> {
  const redis = await redisServer(t);
  const ports = await freePorts(7);
  const cluster = new Cluster(t, redis, ports);
  const servers = ports.slice(0, 3);
  writeFileSync(cluster.policy, policyOf(servers.map((port) => `http://127.0.0.1:${port}`)));
  cluster.servers = await Promise.all(servers.map((port) => cluster.startServer(port)));
  for (const port of servers)
    await until(async () => (await fetch(`http://127.0.0.1:${port}/v2/health/ready`)).ok, 'a ready model server');
  const [, , , a = 0, aAdmin = 0, b = 0, bAdmin = 0] = ports;
  cluster.gateways = [await cluster.startGateway(a, aAdmin), await cluster.startGateway(b, bAdmin)];
  const balancer = new Balancer(cluster);
  undo(t, () => balancer.close());
  await balancer.look();
  return { cluster, balancer };
}

test(
  'a killed model server and an upgraded gateway cost no request, a rollback outlives the upgrade, every panel has data',
  needs('redis-server', 'prometheus', 'prometheus-alertmanager'),
  async (t) => {
    const { cluster, balancer } = await setUp(t);
    const [s0 = 0, s1 = 0, s2 = 0, a = 0, aAdmin = 0, , bAdmin = 0] = cluster.ports;
    const quoted = (ports: readonly number[]) => ports.map((port) => `"127.0.0.1:${port}"`).join(', ');
    const prometheus = await prometheusAndAlertmanager(t, {
      '"127.0.0.1:8081"': quoted([aAdmin, bAdmin]),
      '"127.0.0.1:9101", "127.0.0.1:9102"': quoted([s0, s1, s2]),
      'http://127.0.0.1:8081': `http://127.0.0.1:${bAdmin}`,
    });
    const callers = new Callers(balancer);
    undo(t, () => callers.stop());
    const [first, second] = cluster.gateways;
    assert.ok(first !== undefined && second !== undefined);
    await until(() => callers.answered > 150 && callers.versions.size === 2, 'traffic on both versions', 30_000);

    // A pod is evicted in the middle of its runs, and comes back.
    cluster.servers[1]?.signal('SIGKILL');
    const { answered } = callers;
    await until(() => callers.answered > answered + 150, 'traffic beside a killed server', 30_000);
    assert.deepEqual(callers.lost, []);
    cluster.servers[1] = await cluster.startServer(s1);

    // A broken policy reaches both gateways, and neither is impressed.
    const good = readFileSync(cluster.policy, 'utf8');
    writeFileSync(cluster.policy, good.replace('timeout: 3s', 'timeout: soon'));
    await until(async () => {
      const status = await (await fetch(`${first.adminUrl}/api/status`)).json();
      return (status as { policy: { mistake?: string } }).policy.mistake !== undefined;
    }, 'the mistake to be told');
    writeFileSync(cluster.policy, good);

    // Every panel, while both versions have traffic.
    await everyPanelHasData(t, prometheus);

    // By hand, at one gateway; the other hears of it.
    const ordered = await fetch(`${first.adminUrl}/api/models/digits/rollout/rollback`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'before the upgrade', by: 'ada' }),
    });
    assert.equal(ordered.status, 200, await ordered.text());
    await until(() => isRolledBack(second), 'the other gateway to hear of it');

    // A gateway of a later version has written more into what both share than this one knows.
    const client = cluster.redis.client();
    const written = await newerDocument(client);
    assert.ok(written > 0, 'a document of the rollout');

    // The upgrade: drained, ended, replaced by a new pod with an empty disk.
    first.child.signal('SIGTERM');
    assert.equal(await first.child.exited, 0);
    cluster.gateways = [await cluster.startGateway(a, aAdmin), second];
    await balancer.look();
    callers.versions.clear();
    const before = callers.answered;
    await until(() => callers.answered > before + 150, 'traffic after the upgrade', 30_000);
    assert.ok(await isRolledBack(cluster.gateways[0] as Member), 'the new gateway knows of the rollback');
    assert.deepEqual([...callers.versions.keys()], ['v1']);
    await callers.stop();
    t.diagnostic(`${callers.answered} answered, ${callers.lost.length} lost`);
    assert.deepEqual(callers.lost, []);
  },
);

/** Adds a field that nobody knows to every rollout's document in Redis; how many there were. */
async function newerDocument(client: ReturnType<RedisServer['client']>): Promise<number> {
  let found = 0;
  for (const key of await client.keys('*')) {
    if ((await client.type(key)) !== 'hash') continue;
    for (const [field, value] of Object.entries(await client.hgetall(key))) {
      if (!value.startsWith('{') || !value.includes('"epoch"')) continue;
      await client.hset(key, field, JSON.stringify({ ...JSON.parse(value), laterField: { of: 'a later version' } }));
      found++;
    }
  }
  return found;
}

type Dashboard = { panels: { title: string; type: string; targets?: { expr: string }[] }[] };

/** Asks Prometheus what every panel asks. */
async function everyPanelHasData(t: TestContext, prometheus: string): Promise<void> {
  const { panels } = JSON.parse(readFileSync('deploy/grafana/sluice.json', 'utf8')) as Dashboard;
  const { rules } = parse(readFileSync('deploy/kubernetes/autoscaling/prometheus-adapter.yaml', 'utf8')) as {
    rules: { custom: { metricsQuery: string }[] };
  };
  const [trigger] = [
    parse(readFileSync('deploy/kubernetes/keda/model-server-cpu.yaml', 'utf8')) as {
      spec: { triggers: { metadata: { query: string } }[] };
    },
  ];
  const queries: (readonly [what: string, expr: string])[] = [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
    ...rules.custom.map(
      ({ metricsQuery }) =>
        [
          'prometheus-adapter',
          metricsQuery
            .replaceAll('<<.GroupBy>>', 'instance')
            .replaceAll('<<.LabelMatchers>>', 'job="sluice-model-server"'),
        ] as const,
    ),
    ...trigger.spec.triggers.map(
      ({ metadata }) => ['KEDA', metadata.query.replaceAll('{namespace="sluice"}', '')] as const,
    ),
  ];
  assert.ok(queries.length >= 32, String(queries.length));
  const missing = new Set<string>();
  await until(
    async () => {
      missing.clear();
      for (const [title, expr] of queries) {
        const query = expr.replaceAll('$model', '.*').replaceAll('$__rate_interval', '10s').replaceAll('[1m]', '[10s]');
        const url = `${prometheus}/api/v1/query?${new URLSearchParams({ query })}`;
        const answer = (await (await fetch(url).catch(() => undefined))?.json()) as
          | { status: string; error?: string; data?: { result: { value: [number, string] }[] } }
          | undefined;
        assert.notEqual(answer?.status, 'error', `${title}: ${answer?.error}`);
        const values = answer?.data?.result ?? [];
        if (values.length === 0 || values.some(({ value }) => value[1] === 'NaN')) missing.add(`${title}: ${expr}`);
      }
      return missing.size === 0;
    },
    'data for every panel',
    40_000,
  ).catch((error: Error) => assert.fail(`${error.message}: ${[...missing].join('\n')}`));
  t.diagnostic(`${queries.length} queries of the dashboard and the autoscalers have data`);
}
