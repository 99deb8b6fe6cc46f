// Candidates that are bad in ways other than errors: slow, hanging, of another shape. Each leaves by itself, and then no one sees it.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { RolloutStanding } from '../../gateway/judge/rollout/told.ts';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { infer } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

const ANSWER = { outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 2], data: [0.9, 0.1] }] };
const OTHER_SHAPE = { outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 3], data: [0.9, 0.1, 0] }] };
const SHADOW = 'shadow: [{ version: v2, sample: 100%, compare: { as: classification, output: p } }]';

type Bad = {
  readonly script: RequestListener;
  readonly probed?: RequestListener;
  readonly rollback?: string;
  readonly more?: string;
};

async function setUp(t: TestContext, { script, probed, rollback = '{ pause: 1s }', more = '' }: Bad) {
  const good = await fakeServer(t, answering(ANSWER), probed && metadata([-1, 2]));
  const bad = await fakeServer(t, script, probed);
  const { url, adminUrl } = await gatewayProcess(
    t,
    `apiVersion: sluice/v1
fleet: { g: { url: "${good.url}" }, b: { url: "${bad.url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [g] }, v2: { servers: [b] } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: header x-u, steps: [20% for 1h, 100%], rollback: ${rollback} }
    ${more}
`,
  );
  let asked = 0;
  const ask = async () => {
    const answer = await infer(url, { headers: { 'x-u': `u-${asked++}` } });
    await answer.arrayBuffer();
    return answer.headers.get('x-sluice-version');
  };
  const standing = async () => {
    const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
      models: { m: { rollouts: { standing?: RolloutStanding; withheld?: string }[] } };
    };
    return status.models.m.rollouts[0];
  };
  return { ask, standing, bad };
}

const metadata =
  (shape: readonly number[]): RequestListener =>
  (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        name: 'm',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
        outputs: [{ name: 'p', datatype: 'FP32', shape }],
      }),
    );
  };

const later: RequestListener = (request, response) => void setTimeout(() => answering(ANSWER)(request, response), 300);

for (const [what, bad, sentence] of [
  ['is 300 ms slower', { script: later }, /more than 1\.2x as slow/],
  [
    'answers in another shape',
    { script: answering(OTHER_SHAPE), rollback: '{ pause: 1s, disagreement: 3% }', more: SHADOW },
    /disagree/,
  ],
] as const) {
  test(`a candidate that ${what} is rolled back, and no caller sees it afterwards`, async (t) => {
    const { ask, standing } = await setUp(t, bad);
    const start = performance.now();
    let rolledBack: RolloutStanding['rolledBack'];
    await until(
      async () => {
        await Promise.all(Array.from({ length: 50 }, ask));
        rolledBack = (await standing())?.standing?.rolledBack;
        return rolledBack !== undefined;
      },
      'a rollback',
      60_000,
    );
    t.diagnostic(`after ${((performance.now() - start) / 1000).toFixed(1)} s: ${rolledBack?.sentence}`);
    assert.match(rolledBack?.sentence ?? '', sentence);
    for (let i = 0; i < 4; i++)
      assert.deepEqual(new Set(await Promise.all(Array.from({ length: 50 }, ask))), new Set(['v1']));
  });
}

test('a candidate that hangs is suspended, and no caller sees it afterwards', async (t) => {
  const { ask, standing } = await setUp(t, { script: silent });
  await until(
    async () => {
      await Promise.all(Array.from({ length: 50 }, ask));
      return (await standing())?.standing?.suspended !== undefined;
    },
    'a suspension',
    20_000,
  );
  const seen = (await standing())?.standing;
  t.diagnostic(seen?.verdict?.sentence ?? '');
  assert.match(seen?.suspended?.sentence ?? '', /do not answer|failed/);
  for (let i = 0; i < 4; i++)
    assert.deepEqual(new Set(await Promise.all(Array.from({ length: 50 }, ask))), new Set(['v1']));
});

test('a candidate whose metadata tells another shape gets no request at all', async (t) => {
  const { ask, standing, bad } = await setUp(t, { script: answering(OTHER_SHAPE), probed: metadata([-1, 3]) });
  for (let i = 0; i < 4; i++)
    assert.deepEqual(new Set(await Promise.all(Array.from({ length: 50 }, ask))), new Set(['v1']));
  assert.match((await standing())?.withheld ?? '', /p/);
  assert.deepEqual(
    bad.seen.filter(({ method }) => method === 'POST'),
    [],
  );
});
