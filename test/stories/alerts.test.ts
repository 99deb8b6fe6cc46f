// The real Prometheus and the real Alertmanager: a candidate fails, an alert fires, a gateway whose own judge is off rolls back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gateway, infer } from '../support/gateway.ts';
import { needs } from '../support/programs.ts';
import { prometheusAndAlertmanager } from '../support/prometheus.ts';
import { until } from '../support/until.ts';

const WITHIN_MS = 60_000;

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
    await prometheusAndAlertmanager(t, { '127.0.0.1:8081': new URL(adminUrl).host });
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
