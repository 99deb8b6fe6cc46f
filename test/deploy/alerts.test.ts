// The alert rules and what they rest on: Prometheus' and Alertmanager's own checkers, and the metrics of a running gateway.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { Child } from '../../gateway/cli/run/child.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { needs, pathOf } from '../support/programs.ts';
import { prometheusAndAlertmanager } from '../support/prometheus.ts';
import { redisServer } from '../support/redis.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const RULES = 'deploy/prometheus/rules.yaml';

type Rule = { alert?: string; record?: string; expr: string; annotations?: { runbook?: string } };

function rules(): Rule[] {
  const { groups } = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap((group) => group.rules);
}

function checked(program: 'promtool' | 'amtool', args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(pathOf(program) ?? program, args, { cwd, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

test(
  'promtool accepts the rules and the configuration, and the unit tests of the rules pass',
  needs('promtool'),
  () => {
    checked('promtool', ['check', 'rules', 'rules.yaml'], 'deploy/prometheus');
    checked('promtool', ['check', 'config', 'prometheus.yaml'], 'deploy/prometheus');
    checked('promtool', ['check', 'config', 'compose.yaml'], 'deploy/prometheus');
    checked('promtool', ['test', 'rules', 'rules.test.yaml'], 'deploy/prometheus');
  },
);

test(
  'amtool accepts the configuration, and an alert that asks for it goes to the gateway and to people',
  needs('amtool'),
  () => {
    checked('amtool', ['check-config', 'alertmanager.yaml'], 'deploy/alertmanager');
    checked('amtool', ['check-config', 'compose.yaml'], 'deploy/alertmanager');
    const routed = (...labels: string[]) =>
      checked(
        'amtool',
        ['config', 'routes', 'test', '--config.file=alertmanager.yaml', ...labels],
        'deploy/alertmanager',
      ).trim();
    assert.equal(routed('alertname=SluiceVersionFails', 'rollback=true', 'model=m', 'version=v2'), 'sluice,people');
    assert.equal(routed('alertname=SluiceSlow', 'severity=ticket'), 'people');
  },
);

test('every metric that a rule names is exported by a running gateway or model server', async (t) => {
  const outputs = [{ name: 'p', datatype: 'FP32', shape: [1, 2], data: [0.9, 0.1] }];
  const server = await fakeServer(t, answering({ outputs }), answering({ parameters: { sha256: 'a'.repeat(64) } }));
  const failing = await fakeServer(t, answering({ error: 'no memory' }, 500));
  const { url, adminUrl } = await gateway(
    t,
    `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" }, failing: { url: "${failing.url}" }, away: { url: "http://127.0.0.1:9" } }
models:
  a: { timeout: 1s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1, shadow: [{ version: v2, sample: 100% }], rollout: { id: r, candidate: v2, unit: random, steps: [1%], rollback: {} } }
  b: { timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }
  failing: { timeout: 1s, versions: { v1: { servers: [failing] } }, baseline: v1 }
  away: { timeout: 1s, versions: { v1: { servers: [away] } }, baseline: v1 }
  l: { tiers: { ladder: { a: a, b: b }, rules: [{ use: a }], escalate: { below: { a: 0.5 }, budget: 10%, confidence: { output: p }, calibration: { a: [{ sha256: ${'b'.repeat(64)}, temperature: 2 }] } } } }
`,
  );
  for (const model of ['a', 'b', 'failing', 'away', 'l']) await (await infer(url, {}, model)).text();
  const child = new Child(['model-server', '--port', '0', '--log-level', 'error']);
  undo(t, () => child.stop());
  const { url: modelServer } = await child.listening;
  await until(async () => (await fetch(`${modelServer}/v2/health/ready`)).ok, 'a ready model server');
  const body = readFileSync('config/data/digits.json');
  await (await fetch(`${modelServer}/v2/models/digits/infer`, { method: 'POST', body })).text();
  const exposed = async (url: string) => (await fetch(`${url}/metrics`)).text();
  const text = `${await exposed(adminUrl)}${await exposed(modelServer)}`;
  const named = new Set(rules().flatMap(({ expr }) => expr.match(/\bsluice_[a-z_]+/g) ?? []));
  assert.ok(named.size >= 13);
  for (const name of named) assert.match(text, new RegExp(`^${name}[{ ]`, 'm'), name);
  for (const [, label, value] of rules().flatMap(({ expr }) => [...expr.matchAll(/(\w+)="(\w+)"/g)])) {
    if (label === 'job' || value === 'rolled_back') continue; // until it happens there is none
    assert.match(text, new RegExp(`${label}="${value}"`), `${label}="${value}"`);
  }
});

test(
  'the alert for the store fires where Redis is up, answers, and refuses what a rollout needs',
  needs('redis-server', 'prometheus', 'prometheus-alertmanager'),
  async (t) => {
    const redis = await redisServer(t);
    await redis.client().call('ACL', 'SETUSER', 'sluice', 'on', '>secret', '~app:*', '&*', '+@all');
    const server = await fakeServer(t, answering({ outputs: [] }));
    const redisUrl = redis.url.replace('redis://', 'redis://sluice:secret@');
    const { adminUrl } = await gateway(t, policyOf([server.url]), { redisUrl });
    const prometheus = await prometheusAndAlertmanager(t, { '127.0.0.1:8081': new URL(adminUrl).host });
    type Alerts = { data: { alerts: { labels: { alertname: string }; state: string }[] } };
    const isFiring = async () => {
      const answer = await fetch(`${prometheus}/api/v1/alerts`).catch(() => undefined);
      if (answer?.ok !== true) return false; // it is starting
      const { data } = (await answer.json()) as Alerts;
      return data.alerts.some(({ labels, state }) => labels.alertname === 'SluiceStoreAway' && state === 'firing');
    };
    await until(isFiring, 'the alert', 60_000);
  },
);

test('every alert has a paragraph for whoever is called', () => {
  const text = readFileSync('deploy/README.md', 'utf8');
  for (const { alert, annotations } of rules()) {
    if (alert === undefined) continue;
    assert.equal(annotations?.runbook, `deploy/README.md#${alert.toLowerCase()}`);
    assert.match(text, new RegExp(`^### ${alert}\\n\\n\\S`, 'm'));
  }
});
