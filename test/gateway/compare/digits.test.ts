// The whole way with real models and real digits: answers of the model server, compared in the thread, stored, summed up,
// against what the two models' answers say directly.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { comparisonSummaries } from '../../../gateway/admin/comparisons.ts';
import { Comparer } from '../../../gateway/compare/comparer.ts';
import type { Pair, Side } from '../../../gateway/flow.ts';
import { openLocalStore } from '../../../gateway/store/files/local-store.ts';
import { readHeldOut } from '../../../model-server/samples/held-out.ts';
import { freePorts } from '../../support/free-ports.ts';
import { undo } from '../../support/undo.ts';
import { until } from '../../support/until.ts';
import { written } from '../store/made.ts';

const DIGITS = 400;
const PIXELS = 784;
const CLASSES = 10;

test('what the summary says of digits v1 beside v2, and of v1 beside itself, is what the models say', async (t) => {
  const url = await modelServer(t);
  const { images } = readHeldOut('config/data');
  const store = await openLocalStore();
  undo(t, () => store.close());
  const comparer = new Comparer({ sink: (batch) => store.comparisons.append(batch) });
  undo(t, () => comparer.close());
  const as = 'classification' as const;
  comparer.configure(
    new Map([
      ['digits/v2', { as, output: 'probabilities' }],
      ['digits/again', { as, output: 'probabilities' }],
    ]),
  );
  const said: [number, number][] = [];
  for (let i = 0; i < DIGITS; i++) {
    const pixels = [...images.subarray(i * PIXELS, (i + 1) * PIXELS)];
    const [first, again, second] = [
      await ask(url, '1', pixels),
      await ask(url, '1', pixels),
      await ask(url, '2', pixels),
    ];
    said.push([labelIn(first), labelIn(second)]);
    const made = { id: `digit-${i}`, model: 'digits', at: Date.now(), baseline: first } satisfies Partial<Pair>;
    comparer.offer({ ...made, shadow: 'v2', candidate: second, noise: again });
    comparer.offer({ ...made, shadow: 'again', candidate: again });
  }
  await until(() => comparer.counters().compared === 2 * DIGITS, 'all pairs');
  await written(store, 2 * DIGITS);

  const { subjects } = await comparisonSummaries(store, {});
  const other = subjects.find(({ subject }) => subject.shadow === 'v2')?.summary;
  const expected = direct(said);
  t.diagnostic(`${expected.flips} of ${DIGITS} differ, kappa ${expected.kappa.toFixed(4)}`);
  assert.ok(expected.flips > 5, 'the models differ');
  assert.deepEqual(
    [other?.pairs, other?.kinds],
    [DIGITS, { different: expected.flips, same: DIGITS - expected.flips }],
  );
  assert.deepEqual([other?.noise.count, other?.noise.of], [0, DIGITS]);
  assert.equal(other?.beyondNoise, 'yes');
  const classes = other?.fields[0]?.classification;
  assert.equal(classes?.flips.count, expected.flips);
  assert.ok(Math.abs((classes?.kappa ?? 0) - expected.kappa) < 1e-12);
  const cells = new Map(classes?.flipped.map(({ baseline, candidate, rows }) => [`${baseline}>${candidate}`, rows]));
  for (const [label, rows] of Object.entries(classes?.agreed ?? {})) if (rows > 0) cells.set(`${label}>${label}`, rows);
  assert.deepEqual([...cells].sort(), [...expected.cells].sort());

  const itself = subjects.find(({ subject }) => subject.shadow === 'again')?.summary;
  assert.deepEqual([itself?.pairs, itself?.disagreement.count, itself?.beyondNoise], [DIGITS, 0, 'no']);
  assert.equal(itself?.fields[0]?.classification?.kappa, 1);
});

/** Confusion, flips and kappa by the book. */
function direct(said: readonly [number, number][]) {
  const cells = new Map<string, number>();
  for (const [a, b] of said) cells.set(`${a}>${b}`, (cells.get(`${a}>${b}`) ?? 0) + 1);
  const flips = said.filter(([a, b]) => a !== b).length;
  let chance = 0;
  for (let label = 0; label < CLASSES; label++) {
    const share = (side: 0 | 1) => said.filter((pair) => pair[side] === label).length / said.length;
    chance += share(0) * share(1);
  }
  return { cells, flips, kappa: (1 - flips / said.length - chance) / (1 - chance) };
}

async function ask(url: string, version: string, pixels: readonly number[]): Promise<Side> {
  const inputs = [{ name: 'image', datatype: 'FP32', shape: [1, PIXELS], data: pixels }];
  const start = performance.now();
  const response = await fetch(`${url}/v2/models/digits/versions/${version}/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs }),
  });
  const body = Buffer.from(await response.arrayBuffer());
  assert.equal(response.status, 200, body.toString());
  const contentType = response.headers.get('content-type') ?? '';
  return {
    version: `v${version}`,
    status: 200,
    contentType,
    body,
    latencyMs: performance.now() - start,
    server: 'cpu-a',
  };
}

function labelIn({ body }: Side): number {
  const { outputs } = JSON.parse(body.toString()) as { outputs: { name: string; data: number[] }[] };
  const probabilities = outputs.find(({ name }) => name === 'probabilities')?.data ?? [];
  return probabilities.indexOf(Math.max(...probabilities));
}

async function modelServer(t: TestContext): Promise<string> {
  const [port = 0] = await freePorts(1);
  const args = ['dist/gateway/main.js', 'model-server', '--port', String(port), '--log-level', 'silent'];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  undo(t, () => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  await until(
    () =>
      fetch(`${url}/v2/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    'the model server',
  );
  return url;
}
