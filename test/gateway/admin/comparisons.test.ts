// What the admin listener tells of comparisons, and `sluice comparisons` reads, over a real listener and a real store.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import { addComparisonRoutes } from '../../../gateway/admin/comparisons.ts';
import { addGate } from '../../../gateway/admin/gate.ts';
import type { Comparison } from '../../../gateway/compare/comparison.ts';
import { type SluiceError, StoreUnavailable } from '../../../gateway/errors.ts';
import { openLocalStore } from '../../../gateway/store/files/local-store.ts';
import type { Store } from '../../../gateway/store/store.ts';
import { undo } from '../../support/undo.ts';
import { until } from '../../support/until.ts';
import { sluice } from '../cli/sluice.ts';
import { batchOf, comparison, NOW, written } from '../store/made.ts';

async function admin(t: TestContext, token?: string, broken = false): Promise<{ url: string; store: Store }> {
  const store = await openLocalStore();
  const app = Fastify({ forceCloseConnections: true });
  app.setErrorHandler((error: SluiceError, _request, reply) =>
    reply.code(error.status ?? 500).send({ error: error.message }),
  );
  const away = async () => {
    throw new StoreUnavailable('away');
  };
  const comparisons = broken ? { ...store.comparisons, page: away } : store.comparisons;
  addGate(app, token);
  addComparisonRoutes(app, { store: { comparisons, audit: store.audit, now: store.now } });
  undo(t, () => store.close());
  undo(t, () => app.close());
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), store };
}

const flip: Partial<Comparison> = {
  kind: 'different',
  fields: [
    {
      field: 'probabilities',
      as: 'classification',
      same: false,
      distance: 0.4,
      rows: 1,
      flips: 1,
      cells: [['3', '7', 1]],
      maxDelta: 0.4,
    },
  ],
};

async function filled(t: TestContext, token?: string) {
  const { url, store } = await admin(t, token);
  const made = Array.from({ length: 1200 }, (_, i) => comparison(`r-${i}`, i % 3 === 0 ? flip : {}));
  store.comparisons.append(batchOf(made));
  await written(store, 1200);
  return { url, store };
}

const get = async (url: string, path: string, init?: RequestInit) => {
  const response = await fetch(`${url}${path}`, init);
  return { status: response.status, body: (await response.json()) as Record<string, never> & { error?: string } };
};

test('a page is capped, whatever is asked for', async (t) => {
  const { url } = await filled(t);
  for (const [limit, length] of [
    ['1000000000', 500],
    ['-5', 1],
    ['0', 1],
    ['7', 7],
  ] as const) {
    const { status, body } = await get(url, `/api/comparisons?limit=${limit}`);
    assert.deepEqual([status, (body.comparisons as unknown as unknown[]).length], [200, length]);
  }
  assert.equal((await get(url, `/api/comparisons?cursor=${'9'.repeat(256)}`)).status, 200);
  for (const bad of [
    'limit=x',
    'limit=1e9',
    'kind=strange',
    'since=tomorrow',
    'modle=digits',
    `cursor=${'9'.repeat(300)}`,
    'model=a&model=b',
  ]) {
    const { status, body } = await get(url, `/api/comparisons?${bad}`);
    assert.deepEqual([status, typeof body.error], [400, 'string'], bad);
  }
});

test('a cell of the confusion matrix leads to its examples', async (t) => {
  const { url } = await filled(t);
  const count = async (query: string) => {
    const { body } = await get(url, `/api/comparisons?limit=500&${query}`);
    return (body.comparisons as unknown as unknown[]).length;
  };
  assert.deepEqual([await count('from=3&to=7'), await count('field=probabilities&to=7')], [400, 400]);
  assert.deepEqual([await count('from=7&to=3'), await count('field=other&from=3')], [0, 0]);
});

test('the token is wanted where there is one', async (t) => {
  const { url } = await filled(t, 'secret');
  for (const path of ['/api/comparisons', '/api/comparisons/summary', '/api/comparisons/kept?id=x']) {
    assert.equal((await get(url, path)).status, 401);
    assert.equal((await get(url, path, { headers: { authorization: 'Bearer wrong' } })).status, 401);
    assert.equal((await get(url, path, { headers: { authorization: 'Bearer secret' } })).status, 200);
  }
});

test('a store that cannot be asked is a 503 without its address', async (t) => {
  const { url } = await admin(t, undefined, true);
  const { status, body } = await get(url, '/api/comparisons');
  assert.deepEqual([status, body.error], [503, 'the store is unavailable: away']);
});

test('whoever waits gets what comes, and an empty page when nothing does', async (t) => {
  const { url, store } = await filled(t);
  const { body } = await get(url, '/api/comparisons?limit=1');
  const waiting = get(url, `/api/comparisons?after=${body.newest}&wait=15000`);
  store.comparisons.append(batchOf([comparison('new')]));
  const found = (await waiting).body as unknown as { comparisons: Comparison[]; newest: string };
  assert.deepEqual(
    found.comparisons.map(({ id }) => id),
    ['new'],
  );
  const nothing = await get(url, `/api/comparisons?after=${found.newest}&wait=50`);
  assert.deepEqual(nothing.body.comparisons, []);
});

test('a summary has coverage, rates with bounds, and points for a chart', async (t) => {
  const { url } = await filled(t);
  const { body } = await get(url, `/api/comparisons/summary?model=digits&since=${NOW - 3_600_000}`);
  const [{ summary, series }] = body.subjects as never as [
    { summary: Record<string, never>; series: { pairs: number; different: number }[] },
  ];
  assert.deepEqual([summary?.pairs, summary?.kinds], [1200, { different: 400, same: 800 }]);
  assert.deepEqual(
    series.map(({ pairs, different }) => [pairs, different]),
    [[1200, 400]],
  );
  assert.deepEqual((await get(url, '/api/comparisons/summary?model=other')).body.subjects, []);
  assert.deepEqual((await get(url, '/api/comparisons/summary?until=1000')).body.subjects, []);
});

test('sluice comparisons lists, filters, exports and sums up', async (t) => {
  const { url, store } = await filled(t);
  const hostile = comparison('evil', { kind: 'unreadable', reason: 'candidate: \u001b[31mred\u202e' });
  store.comparisons.append(batchOf([hostile]));
  await written(store, 1201);
  const list = await sluice(['comparisons', '--admin', url, '--limit', '3']);
  assert.equal(list.code, 0, list.stderr);
  assert.match(list.stdout, /unreadable +digits\/v2 +v1\|v2 +candidate: \\u\{1b\}\[31mred\\u\{202e\} +0\.0ms +evil\n/);
  assert.ok(!list.stdout.includes('\u001b') && !list.stdout.includes('\u202e'));
  assert.equal(list.stdout.trim().split('\n').length, 3);
  const flips = await sluice([
    'comparisons',
    '--admin',
    url,
    '--kind',
    'different',
    '--field',
    'probabilities',
    '--limit',
    '1',
  ]);
  assert.match(flips.stdout, /different +digits\/v2 +v1\|v2 +probabilities 3 -> 7 +0\.0ms +r-1197/);
  const exported = await sluice(['comparisons', '--admin', url, '--json', '--limit', '5000', '--kind', 'same']);
  const lines = exported.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Comparison);
  assert.equal(lines.length, 800);
  assert.equal(new Set(lines.map(({ id }) => id)).size, 800);
  const none = await sluice(['comparisons', '--admin', url, '--since', '1ms', '--version', 'v9']);
  assert.deepEqual([none.code, none.stdout], [0, 'no comparison fits\n']);
  const summary = await sluice(['comparisons', '--admin', url, '--summary', '--since', '1h']);
  assert.match(
    summary.stdout,
    /digits\/v2: v2 beside v1\n {2}differs; the noise floor is not measured: 33\.4 % \(30\.8 to 36\.1, 401 of 1,201\)/,
  );
  assert.match(summary.stdout, /3 -> 7: 400/);
  const json = await sluice(['comparisons', '--admin', url, '--summary', '--json']);
  assert.equal(JSON.parse(json.stdout).subjects[0].summary.pairs, 1201);
});

test('sluice comparisons --follow goes on with what comes', async (t) => {
  const { url, store } = await filled(t);
  const child = spawn(
    process.execPath,
    ['dist/gateway/main.js', 'comparisons', '--admin', url, '--follow', '--json', '--limit', '1'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  undo(t, () => child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  await until(() => text.includes('r-1199'), 'the newest');
  store.comparisons.append(batchOf([comparison('live-1'), comparison('live-2')]));
  await until(() => text.includes('live-2'), 'what came');
  const ids = text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as Comparison).id);
  assert.deepEqual(ids, ['r-1199', 'live-1', 'live-2']);
});

test('sluice comparisons says what to do when it cannot ask', async (t) => {
  const { url } = await admin(t, 'secret');
  const run = async (...args: string[]) => {
    const { code, stderr } = await sluice(['comparisons', ...args]);
    return `${code} ${stderr}`;
  };
  assert.match(await run('--admin', url), /^1 sluice: .*wants a token: set SLUICE_ADMIN_TOKEN/);
  assert.match(
    await run('--admin', 'http://127.0.0.1:1'),
    /^1 sluice: no gateway answers at http:\/\/127\.0\.0\.1:1 .*--admin/,
  );
  assert.match(await run('--admin', 'nonsense'), /^2 sluice: --admin: expected an address/);
  assert.match(await run('--since', 'soon'), /^2 sluice: --since: expected a time/);
  assert.match(await run('--kind', 'odd'), /^2 sluice: --kind: expected one of any, candidate_error/);
  assert.match(await run('--follow', '--summary'), /^2 sluice: --follow and --summary/);
});
