// A gateway that is a server of its own, by itself or over others: a request goes round once, and no further.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, callsAt, fakeServer } from '../support/fake-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

/** A gateway at a port that its own policy may name, and what it has refused. */
async function gatewayAt(t: TestContext, [port = 0, adminPort = 0]: readonly number[], policy: string) {
  const { url, adminUrl } = await gateway(t, policy, { port, adminPort });
  const metric = async (pattern: RegExp) => {
    const text = await (await fetch(`${adminUrl}/metrics`)).text();
    return [...text.matchAll(new RegExp(pattern, 'gm'))].reduce((sum, [, value]) => sum + Number(value), 0);
  };
  return {
    url,
    refused: () => metric(/^sluice_refused_requests_total\{reason="loop"\} (\d+)/),
    served: () => metric(/^sluice_requests_total\{.*\} (\d+)/),
  };
}

const at = (port: number | undefined) => `http://127.0.0.1:${port}`;

test('a gateway that is its own server answers 508, and is asked once more than it was called', async (t) => {
  const ports = await freePorts(2);
  const { url, refused, served } = await gatewayAt(t, ports, policyOf([at(ports[0])]));
  const before = await refused(); // its own looks at its servers come back too
  const answer = await infer(url);
  assert.equal(answer.status, 508);
  assert.match(((await answer.json()) as { error: string }).error, /^this request has passed this gateway before/);
  assert.equal(await served(), 1);
  assert.ok((await refused()) >= before + 1);
  for (const path of ['/v2/models/m', '/v2/models/m/ready']) assert.equal((await fetch(url + path)).status, 508, path);
  const predicted = await fetch(`${url}/v1/models/m:predict`, { method: 'POST', body: '{"instances":[]}' });
  assert.equal(predicted.status, 508);
});

test('a caller cannot send a request round by declaring Via a header of its connection', async (t) => {
  const ports = await freePorts(2);
  const { url, served } = await gatewayAt(t, ports, policyOf([at(ports[0])]));
  const { request } = await import('node:http');
  const status = await new Promise((resolve, reject) => {
    const headers = { connection: 'via', 'content-length': 2 };
    request(`${url}/v2/models/m/infer`, { method: 'POST', headers }, (answer) => resolve(answer.resume().statusCode))
      .on('error', reject)
      .end('{}');
  });
  assert.equal(status, 508);
  assert.equal(await served(), 1);
});

test("two gateways that are each the other one's server answer 508 after one round", async (t) => {
  const ports = await freePorts(4);
  const [a, b] = [ports.slice(0, 2), ports.slice(2)];
  const first = await gatewayAt(t, a, policyOf([at(b[0])]));
  const second = await gatewayAt(t, b, policyOf([at(a[0])]));
  assert.equal((await infer(first.url)).status, 508);
  assert.deepEqual([await first.served(), await second.served()], [1, 1]);
});

const VIA = Array.from({ length: 7 }, (_, i) => `1.1 sluice-${String(i).padStart(12, '0')}`).join(', ');

/** The outcomes that a gateway has counted, and how its servers stand. */
async function countedAt(adminUrl: string) {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  const found = metrics.matchAll(/^sluice_requests_total\{.*outcome="(\w+)"\} ([1-9]\d*)$/gm);
  const { fleet } = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    fleet: Record<string, { standing: string; failuresInARow: number }>;
  };
  return {
    outcomes: [...found].map(([, outcome, count]) => [outcome, Number(count)]),
    standings: Object.values(fleet).map(({ standing, failuresInARow }) => [standing, failuresInARow]),
    rollbacks: Number(/^sluice_rollout_transitions_total\{.*event="rollback"\} (\d+)$/m.exec(metrics)?.[1]),
  };
}

test('the 508 of another gateway is reported as a circle, and is held against no server and no version', async (t) => {
  const [port, other] = await freePorts(2);
  const policy = (to: number | undefined) => `apiVersion: sluice/v1
fleet: { s: { url: "${at(to)}" } }
models:
  m: { timeout: 2s, versions: { v1: { servers: [s] } }, baseline: v1 }
  app: { protocol: http, prefix: /app, timeout: 2s, versions: { v1: { servers: [s] } }, baseline: v1 }
`;
  const first = await gatewayProcess(t, policy(other), ['--port', String(port)]);
  const second = await gatewayProcess(t, policy(port), ['--port', String(other)]);
  for (let i = 0; i < 20; i++) assert.equal((await infer(first.url)).status, 508);
  assert.equal((await fetch(`${first.url}/app/app/app/x`, { method: 'POST', body: '{}' })).status, 508);
  for (const { adminUrl, log } of [first, second]) {
    // A streamed request is counted once its answer is on its way.
    await until(async () => {
      const { outcomes } = await countedAt(adminUrl);
      return outcomes.sort().join() === 'own_limit,1,own_limit,20';
    }, 'the outcomes');
    assert.deepEqual((await countedAt(adminUrl)).standings, [['healthy', 0]]);
    await until(() => /a request went in a circle: a server of the policy is a gateway/.test(log()), 'it is logged');
    assert.doesNotMatch(log(), /a model failed to answer/);
  }
});

test('callers who claim to have passed gateways cannot have a candidate behind another gateway rolled back', async (t) => {
  const server = await fakeServer(t, answering({ ok: true }));
  const behind = await gatewayProcess(t, policyOf([server.url]));
  const { url, adminUrl } = await gatewayProcess(
    t,
    `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" }, behind: { url: "${behind.url}" } }
models:
  m: { timeout: 2s, versions: { v1: { servers: [s] }, v2: { servers: [behind] } }, baseline: v1, rollout: { id: r, candidate: v2, unit: random, steps: [100% for 1h], rollback: { error_rate: 2% } } }
`,
  );
  await until(async () => (await infer(url)).headers.get('x-sluice-version') === 'v2', 'the candidate answers');
  for (let i = 0; i < 200; i++) assert.equal((await infer(url, { headers: { via: VIA } })).status, 508);
  await sleep(2500); // the judge looks every second
  const { outcomes, standings, rollbacks } = await countedAt(adminUrl);
  assert.ok(
    outcomes.some(([outcome, count]) => outcome === 'own_limit' && count === 200),
    outcomes.join(),
  );
  assert.ok(!outcomes.some(([outcome]) => outcome === 'model_fault' || outcome === 'server_fault'), outcomes.join());
  assert.deepEqual(
    [standings, rollbacks],
    [
      [
        ['healthy', 0],
        ['healthy', 0],
      ],
      0,
    ],
  );
  assert.equal((await infer(url)).headers.get('x-sluice-version'), 'v2');
});

test('callers who claim to have passed gateways move no traffic away from the gateway behind', async (t) => {
  const beside = await fakeServer(t, (request, response) => {
    request.resume().on('end', () => setTimeout(() => response.end('{}'), 300)); // slower than the gateway behind
  });
  const server = await fakeServer(t, answering({ ok: true }));
  const behind = await gateway(t, policyOf([server.url]));
  const { url } = await gateway(t, policyOf([beside.url, behind.url]));
  for (let i = 0; i < 20; i++) assert.equal((await infer(url)).status, 200);
  for (let i = 0; i < 50; i++) await infer(url, { headers: { via: VIA } });
  const before = server.seen.length;
  for (let i = 0; i < 20; i++) assert.equal((await infer(url)).status, 200);
  assert.ok(server.seen.length - before >= 15, `${server.seen.length - before} of 20`);
});

const ROLLOUT = (v1: string, v2: string) => `apiVersion: sluice/v1
fleet: { s: { url: "${v1}" }, c: { url: "${v2}" } }
models:
  m: { timeout: 2s, versions: { v1: { servers: [s] }, v2: { servers: [c] } }, baseline: v1, rollout: { id: r, candidate: v2, unit: random, steps: [100% for 1h], rollback: { error_rate: 2% } } }
`;

test('a candidate that answers 508 of its own is rolled back, and its log calls it no circle', async (t) => {
  const good = await fakeServer(t, answering({ ok: true }));
  const bad = await fakeServer(t, answering({ error: 'Loop Detected' }, 508));
  const { url, adminUrl, log } = await gatewayProcess(t, ROLLOUT(good.url, bad.url));
  await until(
    async () => {
      await Promise.all(Array.from({ length: 10 }, () => infer(url)));
      return (await infer(url)).headers.get('x-sluice-version') === 'v1';
    },
    'callers are with the baseline',
    15_000,
  );
  assert.ok((await countedAt(adminUrl)).outcomes.every(([outcome]) => outcome === 'ok' || outcome === 'model_fault'));
  assert.match(log(), /a model failed to answer/);
  assert.doesNotMatch(log(), /in a circle/);
});

test('a candidate that leads back to its gateway is shown as not ready, with the 508', async (t) => {
  const [port] = await freePorts(1);
  const good = await fakeServer(t, answering({ ok: true }));
  const back = await gateway(t, policyOf([at(port)]));
  const { url, adminUrl } = await gatewayProcess(t, ROLLOUT(good.url, back.url), ['--port', String(port)]);
  const status = async () => JSON.stringify(await (await fetch(`${adminUrl}/api/status`)).json());
  await until(
    async () => /508: this request has passed this gateway before/.test(await status()),
    'it is shown',
    15_000,
  );
  assert.equal((await infer(url)).status, 508);
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  assert.match(metrics, /^sluice_version_ready\{.*version="v2".*\} 0$/m);
  assert.match(metrics, /^sluice_version_ready\{.*version="v1".*\} 1$/m);
});

test('a request that passes two gateways is answered, and the server is told of both after what was told before', async (t) => {
  const server = await fakeServer(t, answering({ ok: true }));
  const ports = await freePorts(4);
  const [a, b] = [ports.slice(0, 2), ports.slice(2)];
  const inner = await gatewayAt(t, a, policyOf([server.url]));
  const outer = await gatewayAt(t, b, policyOf([inner.url]));
  const answer = await infer(outer.url, { headers: { via: '1.1 edge.example (x), HTTP/2.0 cdn' } });
  assert.equal(answer.status, 200);
  const name = '1\\.1 sluice-[0-9a-f]{12}';
  const { via = '' } = server.seen[0]?.headers ?? {};
  const [, one, two] =
    new RegExp(`^1\\.1 edge\\.example \\(x\\), HTTP/2\\.0 cdn, (${name}), (${name})$`).exec(via) ?? [];
  assert.ok(one !== undefined && one !== two, via);
  assert.equal(answer.headers.get('via'), null, 'a caller is told nothing of the way');
});

test('nine gateways in a row are refused, and any number of other proxies is not', async (t) => {
  const server = await fakeServer(t, answering({ ok: true }));
  const { url } = await gateway(t, policyOf([server.url]));
  const ways = (name: (i: number) => string, count: number) =>
    Array.from({ length: count }, (_, i) => `1.1 ${name(i)}`).join(', ');
  const ours = (i: number) => `sluice-${String(i).padStart(12, '0')}`;
  for (const [via, status] of [
    [ways(ours, 7), 200],
    [ways(ours, 8), 508],
    [ways((i) => `proxy-${i}`, 40), 200],
    [ways((i) => `sluice-${i}`, 40), 200],
  ] as const)
    assert.equal((await infer(url, { headers: { via } })).status, status, via);
});

test('a shadow that leads back to its gateway is refused once, and the caller notices nothing', async (t) => {
  const server = await fakeServer(t, answering({ ok: true }));
  const ports = await freePorts(2);
  const policy = `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" }, me: { url: "${at(ports[0])}" } }
models:
  m:
    timeout: 2s
    versions: { v1: { servers: [s] }, v2: { servers: [me] } }
    baseline: v1
    shadow: [{ version: v2, sample: 100% }]
`;
  const { url, refused } = await gatewayAt(t, ports, policy);
  const before = await refused();
  assert.equal((await infer(url)).status, 200);
  await until(async () => (await refused()) > before, 'the copy, refused');
  assert.equal(callsAt(server).length, 1);
});

test('what lies below a prefix goes round once too, where its path has the prefix twice', async (t) => {
  const ports = await freePorts(2);
  const policy = `apiVersion: sluice/v1
fleet: { me: { url: "${at(ports[0])}" } }
models:
  chat: { protocol: http, prefix: /chat, timeout: 2s, versions: { v1: { servers: [me] } }, baseline: v1 }
`;
  const { url, served } = await gatewayAt(t, ports, policy);
  assert.equal((await fetch(`${url}/chat/chat/completions`, { method: 'POST', body: '{}' })).status, 508);
  assert.equal(await served(), 1);
});
