// Every file of the data folder, damaged in every way: the gateway starts, or ends with one clear line, and a rollback that was
// recorded is still in force, or its rollout is held on the baseline.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { summarise } from '../../../../gateway/compare/summary.ts';
import { UserError } from '../../../../gateway/errors.ts';
import { openLocalStore } from '../../../../gateway/store/files/local-store.ts';
import { answering, fakeServer } from '../../../support/fake-server.ts';
import { folderOf } from '../../../support/folder.ts';
import { gatewayOf, infer } from '../../../support/gateway.ts';
import { replaceFile } from '../../../support/replace-file.ts';
import { until } from '../../../support/until.ts';
import { batchOf, comparison, idsOf, NOW, written } from '../made.ts';

const policyFor = (server: string) => `apiVersion: sluice/v1
fleet: { s: { url: "${server}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    pins: any
    rollout: { id: r, candidate: v2, unit: header x-user-id, steps: [50% for 1h, 100%], rollback: {} }
    shadow: [{ version: v2, sample: 100% }]
`;

type Running = { readonly url: string; readonly adminUrl: string };
type Status = {
  damaged: { where: string; problem: string; copy?: string }[];
  held: { id: string }[];
  models: { m: { rollouts: { standing?: { phase: string } }[] } };
};

async function statusOf({ adminUrl }: Running): Promise<Status> {
  return (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
}

/** A data folder as a gateway leaves it whose rollout was rolled back, with something in every kind of file. */
async function leftBehind(t: TestContext): Promise<{ file: string; data: string }> {
  const { url } = await fakeServer(t, answering({ outputs: [] }));
  const folder = folderOf(t, 'damaged');
  const [file, data] = [join(folder, 'policy.yaml'), join(folder, 'data')];
  writeFileSync(file, policyFor(url));
  const store = await openLocalStore({ folder: data });
  store.comparisons.append(batchOf([comparison('a'), comparison('b')]));
  store.experiments.expose('exp', 'a', 'ada');
  store.experiments.add('exp', 'a', new Map([['requests', 2]]));
  await store.shadowOrders.order('m/v2', true);
  await written(store, 2);
  await store.close();
  const gateway = await gatewayOf(t, file);
  for (let i = 0; i < 10; i++) await infer(gateway.url, { headers: { 'x-user-id': `u${i}` } });
  const answer = await fetch(`${gateway.adminUrl}/api/models/m/rollout/rollback`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"reason":"a test"}',
  });
  assert.equal(answer.status, 200);
  await gateway.close();
  return { file, data };
}

/** What a good file can be replaced by. */
function damagesOf(good: Buffer): (readonly [string, string | Buffer])[] {
  const text = good.toString('utf8');
  const quarter = (n: number) => good.subarray(0, Math.floor((good.length * n) / 4));
  return [
    ['empty', ''],
    ['a blank line', '\n'],
    ['a quarter', quarter(1)],
    ['half', quarter(2)],
    ['three quarters', quarter(3)],
    ['all but the last byte', good.subarray(0, -2)],
    ['null', 'null'],
    ['[]', '[]'],
    ['{}', '{}'],
    ['[null]', '[null]'],
    ['[[]]', '[[]]'],
    ['a number', '7'],
    ['a text', '"rolledBack"'],
    ['true', 'true'],
    ['null in every place', text.replace(/"[^"]*"(?!\s*:)|\b\d+\b/g, 'null')],
    ['texts for numbers', text.replace(/: ?(\d+)\b/g, ': "$1"')],
    ['numbers for texts', text.replace(/: ?"[^"]*"/g, ': 5')],
    [
      'lists for objects',
      text
        .replaceAll('{', '[')
        .replaceAll('}', ']')
        .replace(/"[^"]*":/g, ''),
    ],
    ['other keys', text.replace(/"(documents|rolledBack|isPaused|upto|experiment|id)"/g, '"$1x"')],
    ['a newer format', text.replace('{', '{"format":99,"more":{},')],
    ['a key that is there twice', text.replace(/}\s*$/, ', "rolledBack": [], "documents": []}')],
    ['deep nesting', '['.repeat(200_000)],
    ['deep nesting that is closed', `${'['.repeat(50_000)}${']'.repeat(50_000)}`],
    ['deep objects', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`],
    ['zeros, as after a power cut', Buffer.alloc(good.length)],
    ['binary', Buffer.from(Array.from({ length: 512 }, (_, i) => (i * 97) % 256))],
    ['a byte order mark', Buffer.concat([Buffer.from('\ufeff'), good])],
    ['UTF-16', Buffer.from(text, 'utf16le')],
    ['another program', '<?xml version="1.0"?><a/>'],
    ['a proto key', '{"__proto__": {"a": 1}, "constructor": null}'],
    ['huge', Buffer.alloc(65 * 1024 * 1024, ' ')],
  ];
}

/** The rollback of `r` holds, or `r` is held; either way no caller gets v2. */
async function assertNotForgotten(running: Running, what: string): Promise<void> {
  const { held, models } = await statusOf(running);
  const isHeld = held.some(({ id }) => id === 'r');
  const phase = models.m.rollouts[0]?.standing?.phase;
  assert.ok(isHeld || phase === 'rolled back', `${what}: ${JSON.stringify({ held, phase })}`);
  for (let i = 0; i < 12; i++) {
    const { status, headers } = await infer(running.url, { headers: { 'x-user-id': `u${i}` } });
    assert.deepEqual([status, headers.get('x-sluice-version')], [200, 'v1'], what);
  }
}

/** Reads that show what is in the files: none may be a 500. */
async function assertReadable({ adminUrl }: Running, what: string): Promise<void> {
  for (const path of ['status', 'audit', 'comparisons', 'comparisons/summary', 'experiments', 'calibration']) {
    const { status } = await fetch(`${adminUrl}/api/${path}`);
    assert.equal(status, 200, `${what}: /api/${path}`);
  }
  assert.equal((await fetch(`${adminUrl}/metrics`)).status, 200, what);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
}

/** Where the rollout `r` is, and what a caller gets who asks for its candidate. */
async function standingOf(running: Running): Promise<[string | undefined, number]> {
  const { models } = await statusOf(running);
  const { status } = await infer(running.url, { headers: { 'x-sluice-version': 'v2' } });
  return [models.m.rollouts[0]?.standing?.phase, status];
}

test('a file of rollouts that is gone takes no rollback with it that the audit trail has, and is reported and written anew', async (t) => {
  const { file, data } = await leftBehind(t);
  rmSync(join(data, 'rollouts.json'));
  const running = await gatewayOf(t, file);
  await assertNotForgotten(running, 'missing');
  assert.deepEqual(await standingOf(running), ['rolled back', 409]);
  const [damage] = (await statusOf(running)).damaged;
  assert.match(`${damage?.where} ${damage?.problem}`, /rollouts\.json it is missing/);
  await until(() => existsSync(join(data, 'rollouts.json')), 'the file is written anew');
  await running.close();
  rmSync(join(data, 'audit.jsonl'));
  assert.deepEqual(await standingOf(await gatewayOf(t, file)), ['rolled back', 409]);
});

test('where the list of rollbacks is lost, a document that says so counts', async (t) => {
  for (const list of [undefined, [1, null], [['r']]]) {
    const { file, data } = await leftBehind(t);
    const path = join(data, 'rollouts.json');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), rolledBack: list }));
    rmSync(join(data, 'audit.jsonl'));
    assert.deepEqual(await standingOf(await gatewayOf(t, file)), ['rolled back', 409], JSON.stringify(list));
  }
});

test('no damage to a file of the data folder ends a start with a stack, or makes it forget a rollback', async (t) => {
  const { file, data } = await leftBehind(t);
  const good = `${data}.good`;
  cpSync(data, good, { recursive: true });
  const names = filesBelow(good);
  for (const kind of [/^rollouts\.json$/, /^judged\.json$/, /^shadow-orders/, /^audit/, /^last-good/, /^comparisons\//])
    assert.ok(
      names.some((name) => kind.test(name)),
      `${kind} in ${names}`,
    );
  assert.ok(names.some((name) => name.startsWith('sums/')) && names.some((name) => name.startsWith('experiments/')));
  const refused: string[] = [];
  let starts = 0;
  for (const name of names) {
    for (const [what, content] of damagesOf(readFileSync(join(good, name)))) {
      rmSync(data, { recursive: true, force: true });
      cpSync(good, data, { recursive: true });
      writeFileSync(join(data, name), content);
      const title = `${name}: ${what}`;
      starts++;
      await (OF_THE_JUDGE.test(name) ? startsWith(t, file, title) : opensWith(data, title)).catch((error: unknown) => {
        assert.ok(error instanceof UserError, `${title}: ${(error as Error).stack}`);
        assert.doesNotMatch(error.message, /\n/, title);
        refused.push(title);
      });
    }
  }
  t.diagnostic(`${starts} starts, refused: ${refused.join('; ') || 'none'}`);
});

/** Files on which it rests what callers get while the policy is good. */
const OF_THE_JUDGE = /^(rollouts|judged|shadow-orders)/;

async function startsWith(t: TestContext, file: string, title: string): Promise<void> {
  const running = await gatewayOf(t, file);
  try {
    await assertNotForgotten(running, title);
    await assertReadable(running, title);
  } finally {
    await running.close();
  }
}

/** The same for a file that only the store reads, without a gateway around it. */
async function opensWith(data: string, title: string): Promise<void> {
  const store = await openLocalStore({ folder: data });
  try {
    assert.ok(store.rollouts.known().rolledBack.has('r'), title);
    const { comparisons } = await store.comparisons.page({ limit: 500 });
    for (const each of comparisons) assert.equal(typeof each.baseline.version, 'string', title);
    for (const subject of await store.comparisons.subjects()) {
      const slots = await store.comparisons.sums(subject, 'hour', NOW - 7_200_000, NOW + 7_200_000);
      for (const { sums } of slots) assert.ok([...summarise(sums).fields].length >= 0, title);
    }
    for (const entry of await store.audit.read(100)) assert.equal(typeof entry.id, 'string', title);
    await store.experiments.read('exp');
  } finally {
    await store.close();
  }
}

test('a damaged file of rollouts is set aside, reported everywhere, and still holds its rollouts after a restart', async (t) => {
  const { file, data } = await leftBehind(t);
  rmSync(join(data, 'audit.jsonl')); // which would say what was rolled back
  const rollouts = join(data, 'rollouts.json');
  writeFileSync(rollouts, '{"documents": [], "rolledBack": "r2", "');
  const first = await gatewayOf(t, file);
  const { damaged, held } = await statusOf(first);
  assert.deepEqual(
    held.map(({ id }) => id),
    ['r'],
  );
  const [damage] = damaged;
  assert.match(damage?.where ?? '', /rollouts\.json$/);
  assert.match(damage?.problem ?? '', /no JSON/);
  assert.equal(readFileSync(damage?.copy ?? '', 'utf8'), '{"documents": [], "rolledBack": "r2", "');
  assert.match(await (await fetch(`${first.adminUrl}/metrics`)).text(), /^sluice_store_damaged 1$/m);
  await first.close();
  const second = await gatewayOf(t, file);
  assert.deepEqual((await statusOf(second)).damaged, []);
  await assertNotForgotten(second, 'after a restart');
  // A person ends it, and a new id starts afresh.
  const answer = await fetch(`${second.adminUrl}/api/models/m/rollout/rollback`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"reason":"its record is lost"}',
  });
  assert.equal(answer.status, 200);
  await second.close();
  writeFileSync(file, readFileSync(file, 'utf8').replace('id: r,', 'id: r-again,'));
  const third = await gatewayOf(t, file);
  const { held: none, models } = await statusOf(third);
  assert.deepEqual(none, []);
  assert.match(models.m.rollouts[0]?.standing?.phase ?? '', /step 1/);
});

test('a rollback that the file has lost and the audit has is in force, also for an id that comes back later', async (t) => {
  const { file, data } = await leftBehind(t);
  const policy = readFileSync(file, 'utf8');
  writeFileSync(join(data, 'rollouts.json'), '');
  writeFileSync(file, policy.replace('id: r,', 'id: other,'));
  const running = await gatewayOf(t, file);
  replaceFile(file, policy); // an older policy: the id that was rolled back before the file was lost
  await until(async () => {
    const [rollout] = (await statusOf(running)).models.m.rollouts;
    return rollout?.standing?.phase === 'rolled back';
  }, 'the old id to be rolled back');
  await assertNotForgotten(running, 'an id that comes back');
});

test('of rolled-back ids every text counts, wherever a damaged list has it', async (t) => {
  for (const rolledBack of ['"r"', '["r", null]', '[["r"]]', '{"r": true}', '{"ids": ["r"]}']) {
    const folder = folderOf(t);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'rollouts.json'), `{"documents":[],"rolledBack":${rolledBack}}`);
    const store = await openLocalStore({ folder, rolloutIds: ['r', 'other'] });
    const { rolledBack: ids, documents } = store.rollouts.known();
    assert.ok(ids.has('r'), rolledBack);
    assert.equal(typeof documents.get('other')?.damaged, 'string', rolledBack);
    await store.close();
  }
});

test('a list with one bad entry keeps the others, and only what is lost is held', async (t) => {
  const folder = folderOf(t);
  const documents = [{ id: 'a', epoch: 3, step: 1 }, null, { id: 'b', epoch: 'x' }];
  writeFileSync(join(folder, 'rollouts.json'), JSON.stringify({ documents, rolledBack: ['z'] }));
  writeFileSync(join(folder, 'shadow-orders.json'), '{"m/v2": {"isPaused": true, "at": 7}, "m/v3": null}');
  const store = await openLocalStore({ folder, rolloutIds: ['a', 'b', 'c', 'z'] });
  const known = store.rollouts.known();
  assert.deepEqual(known.documents.get('a'), { id: 'a', epoch: 3, step: 1 });
  assert.deepEqual(
    ['b', 'c', 'z'].map((id) => typeof known.documents.get(id)?.damaged),
    ['string', 'string', 'undefined'],
  );
  assert.deepEqual([...known.rolledBack], ['z']);
  assert.deepEqual([...store.shadowOrders.paused()], ['m/v2', 'm/v3']);
  assert.equal(store.damages.list().length, 2);
  await store.close();
});

test('lines that are no comparisons and no audit entries are left out and reported', async (t) => {
  const folder = folderOf(t);
  const first = await openLocalStore({ folder });
  first.comparisons.append(batchOf([comparison('a')]));
  await first.audit.append({ id: 'x', at: 1 });
  await written(first, 1);
  await first.close();
  const [segment] = readdirSync(join(folder, 'comparisons'));
  const foreign = ['null', '[]', '5', '{}', '{"id":"b"}', 'half a li'].join('\n');
  writeFileSync(join(folder, 'comparisons', segment ?? ''), `${foreign}\n${JSON.stringify(comparison('a'))}\n`);
  writeFileSync(join(folder, 'audit.jsonl'), `${foreign}\n{"id":"x","at":1}\n`);
  const store = await openLocalStore({ folder });
  assert.deepEqual(await idsOf(store), ['a']);
  assert.deepEqual(await store.audit.read(10), [{ id: 'x', at: 1 }]);
  assert.equal(store.damages.list().length, 2);
  assert.ok(existsSync(join(folder, 'comparisons')));
  await store.close();
});

test('a file where a folder should be, and a folder where a file should be, end a start with one line', async (t) => {
  const { file, data } = await leftBehind(t);
  const good = `${data}.good`;
  cpSync(data, good, { recursive: true });
  for (const [name, isFolder] of [
    ['rollouts.json', true],
    ['shadow-orders.json', true],
    ['comparisons', false],
    ['sums', false],
    ['experiments', false],
    ['', false],
  ] as const) {
    rmSync(data, { recursive: true, force: true });
    cpSync(good, data, { recursive: true });
    rmSync(join(data, name), { recursive: true, force: true });
    if (isFolder) mkdirSync(join(data, name));
    else writeFileSync(join(data, name), '');
    await assert.rejects(gatewayOf(t, file), (error: Error) => error instanceof UserError && !/\n/.test(error.message));
  }
});
