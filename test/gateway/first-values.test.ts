// A counter that is born at 1 has no increase in Prometheus, so its first event shows nowhere: series start at 0.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Child } from '../../gateway/cli/run/child.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { gatewayOf, infer, policyFile } from '../support/gateway.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

/** The series of all counters and histograms that are ours, with their values. */
async function countersOf(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const counters = new Set([...text.matchAll(/^# TYPE (sluice_\w+) (?:counter|histogram)$/gm)].map(([, name]) => name));
  const series = [...text.matchAll(/^((\w+?)(?:_bucket|_sum|_count)?(?:\{.*\})?) (\S+)$/gm)];
  return new Map(
    series.flatMap(([, whole = '', name, value]) => (counters.has(name) ? [[whole, Number(value)] as const] : [])),
  );
}

/** Every series of `after` was there before, or what it counts did not happen. */
function assertKnown(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): void {
  const born = [...after].filter(([series, value]) => !before.has(series) && value > 0);
  assert.deepEqual(born, []);
}

type Servers = { readonly good: string; readonly bad: string; readonly nobody: number };

const policyOf = ({ good, bad, nobody }: Servers, id: string, version: string) => `apiVersion: sluice/v1
fleet: { good: { url: "${good}" }, bad: { url: "${bad}" }, away: { url: "http://127.0.0.1:${nobody}" } }
models:
  a:
    timeout: 1s
    versions: { v1: { servers: [good] }, ${version}: { servers: [bad] } }
    baseline: v1
    shadow: [{ version: ${version}, sample: 100%, compare: { as: json } }]
    rollout: { id: ${id}, candidate: ${version}, unit: random, steps: [100%], rollback: { action: dry_run } }
  gone: { timeout: 1s, versions: { v1: { servers: [away] } }, baseline: v1 }
  small: { timeout: 1s, versions: { v1: { servers: [good] } }, baseline: v1 }
  large: { timeout: 1s, versions: { v1: { servers: [away] } }, baseline: v1 }
  l: { tiers: { ladder: { small: small, large: large }, rules: [{ use: small }], costs: { small: 1, large: 9 }, cost_groups: { header: x-tier, of: [gold] }, escalate: { below: { small: 0.9 }, budget: 50%, confidence: { output: p } } } }
`;

async function servers(t: TestContext): Promise<Servers> {
  const outputs = [{ name: 'p', datatype: 'FP32', shape: [1, 2], data: [0.6, 0.4] }];
  const good = await fakeServer(t, answering({ outputs }));
  const bad = await fakeServer(t, answering({ error: 'no memory' }, 500));
  const [nobody = 0] = await freePorts(1);
  return { good: good.url, bad: bad.url, nobody };
}

/** Requests that answer, fail, are refused, climb and are copied, and a rollback. */
async function use(url: string, adminUrl: string): Promise<void> {
  for (let i = 0; i < 4; i++)
    for (const model of ['a', 'gone', 'l', 'small', 'nothing']) await (await infer(url, {}, model)).text();
  await (await infer(url, { headers: { 'x-tier': 'gold' } }, 'l')).text();
  await (await infer(url, { body: 'x'.repeat(2 * 1024 * 1024) }, 'a')).text();
  await (await fetch(`${url}/v2/models/a/versions/v1/infer`, { method: 'POST', body: '{}' })).text();
  const order = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"reason":"a test"}' };
  assert.equal((await fetch(`${adminUrl}/api/models/a/rollout/rollback`, order)).status, 200);
  for (let i = 0; i < 4; i++) await (await infer(url, {}, 'a')).text();
}

test('every counter of the gateway starts at 0 with the policy, and those of a new policy start at 0 as well', async (t) => {
  const of = await servers(t);
  const file = policyFile(t, policyOf(of, 'r1', 'v2'));
  const { url, adminUrl } = await gatewayOf(t, file);
  const total = async (name: string) =>
    [...(await countersOf(adminUrl))].reduce((sum, [series, value]) => sum + (series.startsWith(name) ? value : 0), 0);
  const before = await countersOf(adminUrl);
  assert.equal(before.get('sluice_rollout_transitions_total{model="a",rollout="r1",event="rollback"}'), 0);
  await use(url, adminUrl);
  await until(async () => (await total('sluice_shadow_pairs_total')) > 0, 'compared pairs');
  const used = await countersOf(adminUrl);
  assertKnown(before, used);
  assert.equal(used.get('sluice_rollout_transitions_total{model="a",rollout="r1",event="rollback"}'), 1);

  writeFileSync(`${file}.new`, policyOf(of, 'r2', 'v3'));
  renameSync(`${file}.new`, file);
  const fresh = 'sluice_requests_total{model="a",version="v3",outcome="model_fault"}';
  await until(async () => (await countersOf(adminUrl)).get(fresh) === 0, 'the series of the new version');
  const reloaded = await countersOf(adminUrl);
  for (const [series, value] of used)
    if (/sluice_(requests_total|request_duration)/.test(series))
      assert.ok((reloaded.get(series) ?? 0) >= value, series);
  await use(url, adminUrl);
  assertKnown(reloaded, await countersOf(adminUrl));
});

test('every counter of the model server starts at 0 with its version', async (t) => {
  const child = new Child(['model-server', '--port', '0', '--log-level', 'error']);
  undo(t, () => child.stop());
  const { url } = await child.listening;
  await until(async () => (await fetch(`${url}/v2/health/ready`)).ok, 'a ready model server');
  const before = await countersOf(url);
  assert.equal(before.get('sluice_server_requests_total{model="digits",version="1",outcome="ok"}'), 0);
  const digits = `${url}/v2/models/digits/versions/1/infer`;
  const body = readFileSync('config/data/digits.json');
  assert.equal((await fetch(digits, { method: 'POST', body })).status, 200);
  assert.equal((await fetch(digits, { method: 'POST', body: '{"inputs":[]}' })).status, 400);
  for (const path of ['digits/versions/77', 'nothing'])
    assert.equal((await fetch(`${url}/v2/models/${path}/infer`, { method: 'POST', body })).status, 404);
  const after = await countersOf(url);
  assertKnown(before, after);
  assert.equal(after.get('sluice_server_requests_total{model="digits",version="1",outcome="ok"}'), 1);
  assert.equal(after.get('sluice_server_run_seconds_count{model="digits",version="1"}'), 1);
});
