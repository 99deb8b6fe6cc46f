// The real Prometheus scrapes a gateway and works out what the dashboard and the alert rules ask: the first event of a kind is
// an event too. A counter that is born at 1 has no increase, and a window shorter than two scrapes never has one.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gatewayOf, infer, policyFile } from '../support/gateway.ts';
import { needs } from '../support/programs.ts';
import { prometheusAndAlertmanager } from '../support/prometheus.ts';
import { until } from '../support/until.ts';

type Dashboard = {
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] };
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
};
const DASHBOARD = JSON.parse(readFileSync('deploy/grafana/sluice.json', 'utf8')) as Dashboard;

/** Grafana: `$__interval` is at least the interval of the data source, `$__rate_interval` four times that or one more. */
const SCRAPE_S = 1;
const asGrafana = (expr: string) =>
  expr
    .replaceAll('$model', '.*')
    .replaceAll('$__rate_interval', `${4 * SCRAPE_S}s`)
    .replaceAll('$__interval', `${SCRAPE_S}s`);

type Series = { readonly metric: Readonly<Record<string, string>>; readonly values: readonly [number, string][] };

/** What an expression was at any moment of the last minute, as a graph shows it. */
async function graph(prometheus: string, expr: string): Promise<readonly Series[]> {
  const now = Date.now() / 1000;
  const query = { query: asGrafana(expr), start: String(now - 60), end: String(now), step: String(SCRAPE_S) };
  const answer = await fetch(`${prometheus}/api/v1/query_range?${new URLSearchParams(query)}`);
  const { data, error } = (await answer.json()) as { data?: { result: readonly Series[] }; error?: string };
  assert.ok(data !== undefined, `${expr}: ${error}`);
  return data.result;
}

/** Waits until an expression has been above 0 with these labels. */
async function shows(prometheus: string, what: string, expr: string, labels: Readonly<Record<string, string>>) {
  const isIt = ({ metric, values }: Series) =>
    Object.entries(labels).every(([name, value]) => metric[name] === value) &&
    values.some(([, value]) => Number(value) > 0);
  await until(async () => (await graph(prometheus, expr)).some(isIt), `${what}: ${expr}`, 20_000);
}

function annotation(name: string): string {
  return DASHBOARD.annotations.list.find((each) => each.name === name)?.expr ?? assert.fail(`no annotation ${name}`);
}

function panel(part: string): string {
  const targets = DASHBOARD.panels.flatMap(({ targets = [] }) => targets);
  return targets.find(({ expr }) => expr.includes(part))?.expr ?? assert.fail(`no panel with ${part}`);
}

/** Waits until Prometheus has seen this series with the value 0 at least twice. */
async function seenAtZero(prometheus: string, series: string): Promise<void> {
  const isSeen = (each: Series) => each.values.filter(([, value]) => value === '0').length >= 2;
  await until(async () => (await graph(prometheus, series)).some(isSeen), `${series} at 0`, 20_000);
}

type Servers = Readonly<Record<'good' | 'bad' | 'other', string>>;

const policyOf = ({ good, bad, other }: Servers, id: string, version: string) => `apiVersion: sluice/v1
fleet: { good: { url: "${good}" }, bad: { url: "${bad}" }, other: { url: "${other}" } }
models:
  n:
    timeout: 1s
    versions: { v1: { servers: [good] }, odd: { servers: [other] } }
    baseline: v1
    shadow: [{ version: odd, sample: 100%, compare: { as: json } }]
  m:
    timeout: 1s
    versions: { v1: { servers: [good] }, ${version}: { servers: [bad] } }
    baseline: v1
    shadow: [{ version: ${version}, sample: 100%, compare: { as: json } }]
    rollout: { id: ${id}, candidate: ${version}, unit: header x-u, steps: [100%], warm_up: 0, rollback: { action: dry_run } }
`;

async function order(adminUrl: string, what: string): Promise<void> {
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"reason":"a test"}' };
  const url = `${adminUrl}/api/models/m/rollout/${what}`;
  await until(async () => (await fetch(url, request)).status === 200, `a ${what}`);
}

async function ask(url: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await (await infer(url, { headers: { 'x-u': `u-${i}` } })).text();
}

async function started(t: TestContext) {
  const good = await fakeServer(t, answering({ outputs: [] }));
  const bad = await fakeServer(t, answering({ error: 'no memory' }, 500));
  const other = await fakeServer(t, answering({ outputs: [1] }));
  const servers = { good: good.url, bad: bad.url, other: other.url };
  const file = policyFile(t, policyOf(servers, 'r1', 'v2'));
  const running = await gatewayOf(t, file);
  const prometheus = await prometheusAndAlertmanager(t, { '127.0.0.1:8081': new URL(running.adminUrl).host });
  await until(async () => (await fetch(`${prometheus}/-/ready`).catch(() => undefined))?.ok === true, 'Prometheus');
  const reload = (id: string, version: string) => {
    writeFileSync(`${file}.new`, policyOf(servers, id, version));
    renameSync(`${file}.new`, file);
  };
  return { ...running, prometheus, reload };
}

test(
  'the first failures, the first rollback and those of a policy that came later show in dashboard and rules',
  needs('prometheus', 'prometheus-alertmanager'),
  async (t) => {
    const { url, adminUrl, prometheus, reload } = await started(t);
    const transition = (id: string, event: string) =>
      `sluice_rollout_transitions_total{rollout="${id}",event="${event}"}`;
    await seenAtZero(prometheus, transition('r1', 'rollback'));
    await order(adminUrl, 'pause');
    await ask(url, 5);
    await shows(prometheus, 'a pause', annotation('Rollouts move'), { rollout: 'r1', event: 'pause' });
    await shows(prometheus, 'the first failures', 'sluice:model_fault_ratio:rate5s', { model: 'm', version: 'v2' });
    await (await infer(url, {}, 'nothing')).text();
    await shows(prometheus, 'the first refusal', panel('sluice_refused_requests_total'), { reason: 'unknown_model' });

    await order(adminUrl, 'rollback');
    const ends = DASHBOARD.annotations.list.find(({ expr }) => expr.includes('=~"fail|rollback"'))?.expr ?? '';
    await shows(prometheus, 'the rollback', ends, { rollout: 'r1', event: 'rollback' });

    reload('r2', 'v3');
    await seenAtZero(prometheus, transition('r2', 'rollback'));
    await ask(url, 5);
    await shows(prometheus, 'the first failures of v3', 'sluice:model_fault_ratio:rate5s', {
      model: 'm',
      version: 'v3',
    });
    await order(adminUrl, 'rollback');
    await shows(prometheus, 'the second rollback', ends, { rollout: 'r2', event: 'rollback' });
    await (await infer(url, {}, 'n')).text();
    await shows(prometheus, 'the first difference of a shadow', panel('sluice_shadow_pairs_total'), { shadow: 'odd' });
    // Marks are events and no state: they end.
    await sleep(6000);
    const still = (await graph(prometheus, ends)).filter(
      ({ values }) => (values.at(-1)?.[0] ?? 0) > Date.now() / 1000 - 1,
    );
    assert.deepEqual(still, []);
  },
);

test('no annotation of the dashboard asks for less time than two scrapes', () => {
  for (const { name, expr } of DASHBOARD.annotations.list)
    if (expr !== undefined) assert.doesNotMatch(expr, /\[\$__interval\]/, name);
});
