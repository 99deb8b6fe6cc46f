// Calibration in a whole gateway: bound to a model file, applied before the threshold, ignored with a word when the file differs.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { CalibrationReport } from '../../gateway/admin/calibration.ts';
import type { LadderStanding } from '../../gateway/standings.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gateway, infer } from '../support/gateway.ts';
import { until } from '../support/until.ts';

const [FITTED, OTHER] = ['a'.repeat(64), 'b'.repeat(64)];

/** A small tier that claims 0.9 and has the model file that the test says. */
async function setUp(t: TestContext, { digest = FITTED, escalate = '', more = '', as = 'max' } = {}) {
  let current = digest;
  const described: RequestListener = (_request, response) =>
    response.end(JSON.stringify({ name: 'm', parameters: { sha256: current } }));
  const saying = (data: number[]) => answering({ outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 2], data }] });
  const small = await fakeServer(t, saying([0.9, 0.1]), described);
  const large = await fakeServer(t, saying([0.2, 0.8]));
  const running = await gateway(
    t,
    `apiVersion: sluice/v1
fleet: { f: { url: "${small.url}" }, a: { url: "${large.url}" } }
models:
  m-fast: { timeout: 1s, versions: { v1: { servers: [f] } }, baseline: v1, shadow: [{ model: m-accurate, sample: 100%, compare: { as: classification, output: p } }] }
  m-accurate: { timeout: 1s, versions: { v1: { servers: [a] } }, baseline: v1 }
  m:
    tiers:
      ladder: { fast: m-fast, accurate: m-accurate }
      rules: [{ use: fast }]
      costs: { fast: 1, accurate: 10 }
      ${more}
      escalate:
        below: { fast: 0.8 }
        budget: 100%
        confidence: { output: p, as: ${as} }
        calibration: { fast: [{ sha256: ${FITTED}, temperature: 4, fitted: { pairs: 1000, target: labels, on: "2026-11-25"${escalate} } }] }
`,
  );
  const tier = async (headers: Record<string, string> = {}) => {
    const answer = await infer(running.url, { headers }, 'm');
    await answer.text();
    return answer.headers.get('x-sluice-tier');
  };
  const ladder = async () => {
    const status = await (await fetch(`${running.adminUrl}/api/status`)).json();
    return (status as { models: { m: { escalation: LadderStanding } } }).models.m.escalation;
  };
  const metrics = async () => (await fetch(`${running.adminUrl}/metrics`)).text();
  const swap = (next: string) => {
    current = next;
  };
  return { running, tier, ladder, metrics, swap };
}

test('a claim is worth what the calibration of its model file says, from the first request on', async (t) => {
  // Log-odds of 0.9 by 4: 0.634, below 0.8.
  const { tier, ladder, metrics } = await setUp(t);
  assert.equal(await tier(), 'accurate');
  assert.deepEqual((await ladder()).calibrations, { fast: 'applied' });
  assert.match(await metrics(), /sluice_calibration_applied\{model="m",tier="fast"\} 1/);
});

test('with another model file the calibration is ignored: a metric, the status and the claim itself say so', async (t) => {
  const { tier, ladder, metrics } = await setUp(t, { digest: OTHER });
  assert.equal(await tier(), 'fast');
  assert.deepEqual((await ladder()).calibrations, { fast: 'other_file' });
  assert.match(await metrics(), /sluice_calibration_applied\{model="m",tier="fast"\} 0/);
});

test('a share that is far from the one that was tuned for is told', async (t) => {
  const { tier, ladder, metrics } = await setUp(t, { escalate: ', escalated: 0.1' });
  for (let i = 0; i < 49; i++) await tier();
  assert.equal((await ladder()).isDrifting, false);
  await tier();
  const { isDrifting, expectedShare, wantedShare } = await ladder();
  assert.deepEqual(
    { isDrifting, expectedShare, wantedShare },
    { isDrifting: true, expectedShare: 0.1, wantedShare: 1 },
  );
  assert.match(await metrics(), /sluice_escalation_drift\{model="m"\} 1/);
});

test('costs are told by group of callers, and strangers are no labels of their own', async (t) => {
  const { tier, ladder, metrics } = await setUp(t, { more: 'cost_groups: { header: X-Plan, of: [free, pro] }' });
  for (const plan of ['free', 'free', 'pro', 'gold']) await tier({ 'x-plan': plan });
  await tier();
  assert.deepEqual((await ladder()).groups, {
    free: { requests: 2, spent: 22, alwaysLast: 20 },
    pro: { requests: 1, spent: 11, alwaysLast: 10 },
    other: { requests: 2, spent: 22, alwaysLast: 20 },
  });
  const text = await metrics();
  assert.match(text, /sluice_tier_cost_total\{model="m",group="free",of="spent"\} 22/);
  assert.doesNotMatch(text, /gold/);
});

test('a ladder that passes nothing on is counted too', async (t) => {
  const server = await fakeServer(t, answering({ outputs: [] }));
  const { url, adminUrl } = await gateway(
    t,
    `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" } }
models:
  a: { timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }
  b: { timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }
  m: { tiers: { ladder: { a: a, b: b }, rules: [{ when: { header: { x-hard: { present: true } } }, use: b }, { use: a }], costs: { a: 1, b: 4 } } }
`,
  );
  for (const headers of [{}, {}, { 'x-hard': '1' }] as Record<string, string>[]) await infer(url, { headers }, 'm');
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    models: { m: { escalation: LadderStanding } };
  };
  const { answers, cost } = status.models.m.escalation;
  assert.deepEqual({ answers, cost }, { answers: { a: 2, b: 1 }, cost: { spent: 6, alwaysLast: 12 } });
});

test("the API tells how often the last tier agrees with a tier's claims, before and after calibration", async (t) => {
  const { running, tier } = await setUp(t);
  for (let i = 0; i < 20; i++) await tier();
  let report: CalibrationReport | undefined;
  await until(async () => {
    const answer = await (await fetch(`${running.adminUrl}/api/calibration`)).json();
    [report] = (answer as { tiers: CalibrationReport[] }).tiers;
    return report !== undefined;
  }, 'a report');
  assert.ok(report !== undefined);
  const { model, last, claimed, calibrated } = report;
  assert.deepEqual([model, report.tier, last, claimed.bins.length], ['m', 'fast', 'accurate', 1]);
  // The last tier says class 1, the small one class 0.
  assert.ok(Math.abs(claimed.ece - 0.9) < 1e-6, String(claimed.ece));
  assert.ok(Math.abs((calibrated?.ece ?? 0) - 0.634) < 1e-3, String(calibrated?.ece));
});

for (const as of ['margin', 'entropy'])
  test(`the API has no curve for claims of ${as}, which comparisons do not keep, and says so`, async (t) => {
    const { running, tier } = await setUp(t, { as });
    await tier();
    const answer = await (await fetch(`${running.adminUrl}/api/calibration`)).json();
    const why = `logged pairs hold the highest probability, and this ladder reads the ${as} of the output p`;
    assert.deepEqual(answer, { tiers: [{ model: 'm', tier: 'fast', last: 'accurate', why }] });
  });
