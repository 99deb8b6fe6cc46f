// An experiment in a whole gateway: who saw which arm, how the arms fare, and whether units fell as the policy says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExperimentReport } from '../../gateway/admin/experiments.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gateway, infer } from '../support/gateway.ts';
import { needs } from '../support/programs.ts';
import { redisServer } from '../support/redis.ts';
import { until } from '../support/until.ts';

const UNITS = 1500;

for (const [kind, options] of [
  ['files', { skip: false }],
  ['Redis', needs('redis-server')],
] as const) {
  test(`units, errors and latency are told by arm, counted once a unit, in ${kind}`, options, async (t) => {
    const [good, bad] = [
      await fakeServer(t, answering({ outputs: [] })),
      await fakeServer(t, answering({ error: 'broken' }, 500)),
    ];
    const policy = `apiVersion: sluice/v1
fleet: { g: { url: "${good.url}" }, b: { url: "${bad.url}" } }
models:
  m:
    timeout: 10s
    versions: { v1: { servers: [g] }, v2: { servers: [g], version: "2" }, v3: { servers: [b] } }
    baseline: v1
    experiment: { id: e, unit: header x-u, without_unit: reject, arms: { v2: 50%, v3: 25% }, holdout: 20% }
`;
    const settings = kind === 'Redis' ? { redisUrl: (await redisServer(t)).url } : {};
    const { url, adminUrl } = await gateway(t, policy, settings);
    const seen = new Map<string, Set<string>>();
    for (let i = 0; i < 2 * UNITS; i += 50)
      await Promise.all(
        Array.from({ length: 50 }, async (_, k) => {
          const unit = `u-${(i + k) % UNITS}`; // everyone comes twice
          const answer = await infer(url, { headers: { 'x-u': unit } });
          await answer.arrayBuffer();
          const why = answer.headers.get('x-sluice-why') ?? '';
          const arm = why.startsWith('holdout')
            ? 'holdout'
            : why.startsWith('experiment')
              ? (answer.headers.get('x-sluice-version') ?? '')
              : 'none';
          seen.set(arm, (seen.get(arm) ?? new Set()).add(unit));
        }),
      );
    const report = async () => {
      const { experiments } = (await (await fetch(`${adminUrl}/api/experiments`)).json()) as {
        experiments: ExperimentReport[];
      };
      return experiments[0];
    };
    const unitsOf = (told: ExperimentReport | undefined) =>
      Object.fromEntries((told?.arms ?? []).map(({ arm, units }) => [arm, units]));
    const expected = { v2: seen.get('v2')?.size, v3: seen.get('v3')?.size, holdout: seen.get('holdout')?.size };
    await until(
      async () => JSON.stringify(unitsOf(await report())) === JSON.stringify(expected),
      `units ${JSON.stringify(expected)}`,
    );
    await until(
      async () =>
        (await report())?.arms.reduce((sum, { requests }) => sum + requests, 0) ===
        2 * (UNITS - (seen.get('none')?.size ?? 0)),
      'every request',
    );
    const told = await report();
    const [v2, v3] = [told?.arms.find(({ arm }) => arm === 'v2'), told?.arms.find(({ arm }) => arm === 'v3')];
    assert.deepEqual([v2?.errors.rate, v3?.errors.rate, told?.crossed], [0, 1, 0]);
    assert.ok((v2?.p50Ms ?? 0) > 0);
    assert.deepEqual([told?.sampleRatio?.mismatch, (told?.sampleRatio?.p ?? 0) > 0.001], [false, true]);
  });
}
