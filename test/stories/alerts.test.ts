// The real Prometheus and the real Alertmanager: a candidate fails, an alert fires, a gateway whose own judge is off rolls back.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { answering, fakeServer } from '../support/fake-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { gateway, infer } from '../support/gateway.ts';
import { needs, type Program, pathOf } from '../support/programs.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const WITHIN_MS = 60_000;

/** The shipped files with their minutes made seconds, and the addresses of this test. */
function hurried(file: string, addresses: Readonly<Record<string, string>>): string {
  let text = readFileSync(`deploy/${file}`, 'utf8')
    .replace(/\[(\d)m\]/g, '[5s]')
    .replace(/rate\dm/g, 'rate5s')
    .replace(/for: \d+m/g, 'for: 1s')
    .replace(/(interval|_wait): (15s|10s|1m)/g, '$1: 1s');
  for (const [shipped, own] of Object.entries(addresses)) text = text.replaceAll(shipped, own);
  return text;
}

function run(t: TestContext, program: Program, args: readonly string[]): ChildProcess {
  const child = spawn(pathOf(program) ?? program, args, { stdio: 'ignore' });
  undo(t, async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

test(
  'a failing candidate is an alert of Prometheus, and by Alertmanager a rollback',
  needs('prometheus', 'prometheus-alertmanager'),
  async (t) => {
    const [good, bad] = [
      await fakeServer(t, answering({ outputs: [] })),
      await fakeServer(t, answering({ error: 'broken' }, 500)),
    ];
    const { url, adminUrl } = await gateway(
      t,
      `apiVersion: sluice/v1
fleet: { g: { url: "${good.url}" }, b: { url: "${bad.url}" } }
models:
  m: { timeout: 1s, versions: { v1: { servers: [g] }, v2: { servers: [b] } }, baseline: v1, rollout: { id: r, candidate: v2, unit: header x-u, steps: [50%], rollback: { action: dry_run } } }
`,
    );
    const folder = mkdtempSync(join(tmpdir(), 'sluice-alerts-'));
    undo(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const [prometheus = 0, alertmanager = 0] = await freePorts(2);
    const addresses = { '127.0.0.1:9093': `127.0.0.1:${alertmanager}`, '127.0.0.1:8081': new URL(adminUrl).host };
    for (const [name, file] of [
      ['rules.yaml', 'prometheus/rules.yaml'],
      ['prometheus.yaml', 'prometheus/prometheus.yaml'],
      ['alertmanager.yaml', 'alertmanager/alertmanager.yaml'],
    ] as const)
      writeFileSync(join(folder, name), hurried(file, addresses));
    run(t, 'prometheus-alertmanager', [
      `--config.file=${folder}/alertmanager.yaml`,
      `--storage.path=${folder}/alertmanager`,
      `--web.listen-address=127.0.0.1:${alertmanager}`,
      '--cluster.listen-address=',
    ]);
    run(t, 'prometheus', [
      `--config.file=${folder}/prometheus.yaml`,
      `--storage.tsdb.path=${folder}/prometheus`,
      `--web.listen-address=127.0.0.1:${prometheus}`,
    ]);
    let asked = 0;
    const ask = async () => {
      const answer = await infer(url, { headers: { 'x-u': `u-${asked++}` } });
      await answer.arrayBuffer();
      return answer.headers.get('x-sluice-version');
    };
    type Told = {
      models: { m: { rollouts: { standing: { rolledBack?: { sentence: string; by: { kind: string } } } }[] } };
    };
    let rolledBack: { sentence: string; by: { kind: string } } | undefined;
    const start = performance.now();
    await until(
      async () => {
        for (let i = 0; i < 10; i++) await ask();
        const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as Told;
        rolledBack = status.models.m.rollouts[0]?.standing.rolledBack;
        return rolledBack !== undefined;
      },
      'a rollback by the alert',
      WITHIN_MS,
    );
    t.diagnostic(`after ${((performance.now() - start) / 1000).toFixed(1)} s: ${rolledBack?.sentence}`);
    assert.equal(rolledBack?.by.kind, 'alert');
    for (let i = 0; i < 100; i++) assert.equal(await ask(), 'v1');
  },
);
