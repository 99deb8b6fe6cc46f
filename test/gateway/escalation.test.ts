// Escalation in a whole gateway, over servers whose answers the test decides: rows C7 and C13 to C15.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { Gateway } from '../../gateway/app.ts';
import type { LadderStanding } from '../../gateway/standings.ts';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { gateway, infer } from '../support/gateway.ts';

const SURE = [0.95, 0.05];
const UNSURE = [0.55, 0.45];

const saying = (data: readonly unknown[], tier: string): RequestListener =>
  answering({ model_name: tier, outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 2], data }] });

type Set = {
  readonly fast: RequestListener;
  readonly accurate: RequestListener;
  readonly escalate?: string;
  readonly timeout?: string;
  readonly cap?: number;
};

async function setUp(t: TestContext, { fast, accurate, escalate = 'budget: 100%', timeout = '500ms', cap = 128 }: Set) {
  const [small, large] = [await fakeServer(t, fast), await fakeServer(t, accurate)];
  const running = await gateway(
    t,
    `apiVersion: sluice/v1
fleet: { f: { url: "${small.url}" }, a: { url: "${large.url}", max_in_flight: ${cap} } }
models:
  m-fast: { timeout: 1s, versions: { v1: { servers: [f] } }, baseline: v1 }
  m-accurate: { timeout: 1s, versions: { v1: { servers: [a] } }, baseline: v1, retry_budget: 0% }
  m:
    tiers:
      ladder: { fast: m-fast, accurate: m-accurate }
      rules: [{ when: { header: { x-direct: { present: true } } }, use: accurate }, { use: fast }]
      timeout: ${timeout}
      costs: { fast: 1, accurate: 10 }
      escalate: { below: { fast: 0.8 }, ${escalate}, confidence: { output: p } }
`,
  );
  return { small, large, running };
}

/** Which tier's answer came, and the headers that tell how. */
async function call({ url }: Gateway, headers: Record<string, string> = {}) {
  const response = await infer(url, { headers });
  const body = (await response.json()) as { model_name?: string };
  const mark = (name: string) => response.headers.get(`x-sluice-${name}`);
  return {
    status: response.status,
    by: body.model_name,
    marks: [mark('tier'), mark('escalated-from'), mark('degraded')],
    model: mark('model'),
  };
}

async function ladderOf({ adminUrl }: Gateway): Promise<LadderStanding> {
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    models: { m: { escalation: LadderStanding } };
  };
  return status.models.m.escalation;
}

test('a sure answer goes out, an unsure one is asked for again above, and headers and counts say so', async (t) => {
  let data = SURE;
  const fast: RequestListener = (request, response) => saying(data, 'fast')(request, response);
  const { running, large } = await setUp(t, { fast, accurate: saying(SURE, 'accurate') });
  assert.deepEqual(await call(running), { status: 200, by: 'fast', marks: ['fast', null, null], model: 'm-fast' });
  assert.equal((await call(running, { 'x-sluice-min-confidence': '0.99' })).by, 'accurate');
  assert.equal((await call(running, { 'x-direct': '1' })).by, 'accurate');
  data = UNSURE;
  assert.deepEqual(await call(running), {
    status: 200,
    by: 'accurate',
    marks: ['accurate', 'fast', null],
    model: 'm-accurate',
  });
  assert.equal((await call(running, { 'x-sluice-min-confidence': '0.1' })).by, 'accurate');
  assert.equal(large.seen.length, 4);
  const { requests, answers, runs, escalations, cost } = await ladderOf(running);
  assert.deepEqual(
    { requests, answers, runs, escalations, cost },
    {
      requests: 5,
      answers: { fast: 1, accurate: 4 },
      runs: { fast: 4, accurate: 4 },
      escalations: { unsure: 3, invalid: 0, outage: 0 },
      cost: { spent: 44, alwaysLast: 50 },
    },
  );
  const metrics = await (await fetch(`${running.adminUrl}/metrics`)).text();
  assert.match(metrics, /sluice_tier_answers_total\{model="m",tier="accurate"\} 4/);
  assert.match(metrics, /sluice_requests_total\{model="m-fast",version="v1",outcome="ok"\} 4/);
});

test('what goes up never exceeds the share by more than the burst', async (t) => {
  const { running, large } = await setUp(t, {
    fast: saying(UNSURE, 'fast'),
    accurate: saying(SURE, 'accurate'),
    escalate: 'budget: 10%, burst: 5',
  });
  const answers = [];
  for (let i = 0; i < 200; i++) answers.push(await call(running));
  const up = answers.filter(({ by }) => by === 'accurate').length;
  assert.equal(up, large.seen.length);
  assert.ok(up <= 0.1 * 200 + 5 && up >= 0.1 * 200, `${up} went up`);
  assert.deepEqual(answers.filter(({ by }) => by === 'fast').map(({ status, marks }) => [status, ...marks])[0], [
    200,
    'fast',
    null,
    'budget',
  ]);
  const { isAlarmed, degraded } = await ladderOf(running);
  assert.deepEqual([isAlarmed, degraded.budget], [true, 200 - up]);
});

test('a frozen large tier: every caller has the small answer, marked, within the deadline', async (t) => {
  const { running } = await setUp(t, { fast: saying(UNSURE, 'fast'), accurate: silent, timeout: '600ms' });
  const took: number[] = [];
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i * 30));
      const start = performance.now();
      const answer = await call(running);
      took.push(performance.now() - start);
      return answer;
    }),
  );
  const told = JSON.stringify(answers);
  assert.ok(
    answers.every(({ status, by }) => status === 200 && by === 'fast'),
    told,
  );
  assert.ok(
    answers.every(({ marks: [, , degraded] }) => degraded === 'outage' || degraded === 'deadline'),
    told,
  );
  const longest = Math.max(...took);
  t.diagnostic(`the longest of ${took.length} took ${longest.toFixed(0)} ms of 600`);
  assert.ok(longest < 5 * 600, `${longest} ms`);
  // Once it is known how long the large tier takes, nobody waits for it.
  assert.ok(
    answers.slice(-10).every(({ marks: [, , degraded] }) => degraded === 'deadline'),
    told,
  );
});

test('a small tier whose answers hold NaN sends everything up, under the cap of the large one, and an alarm shows', async (t) => {
  const broken: RequestListener = (request, response) => {
    request.resume().on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end('{"model_name":"fast","outputs":[{"name":"p","datatype":"FP32","shape":[1,2],"data":[NaN,NaN]}]}');
    });
  };
  const { running, large } = await setUp(t, {
    fast: broken,
    accurate: saying(SURE, 'accurate'),
    escalate: 'budget: 1%, burst: 1',
    cap: 2,
  });
  for (let i = 0; i < 60; i++) assert.equal((await call(running)).by, 'accurate');
  assert.equal(large.seen.length, 60);
  const { isAlarmed, escalations } = await ladderOf(running);
  assert.deepEqual([isAlarmed, escalations], [true, { unsure: 0, invalid: 60, outage: 0 }]);
  assert.match(await (await fetch(`${running.adminUrl}/metrics`)).text(), /^sluice_escalation_alarm\{model="m"\} 1$/m);
});

test('an outage of the small tier goes straight up; of both the caller hears', async (t) => {
  let accurate = saying(SURE, 'accurate');
  const { running } = await setUp(t, {
    fast: answering({ error: 'out of memory' }, 500),
    accurate: (request, response) => accurate(request, response),
  });
  assert.deepEqual((await call(running)).marks, ['accurate', 'fast', null]);
  accurate = answering({ error: 'out of memory' }, 500);
  assert.equal((await call(running)).status, 502);
});

test("a caller's own mistake is told at once and asked of no other tier", async (t) => {
  const { running, large } = await setUp(t, {
    fast: answering({ error: 'bad shape' }, 400),
    accurate: saying(SURE, 'accurate'),
  });
  assert.equal((await call(running)).status, 400);
  assert.equal(large.seen.length, 0);
});
