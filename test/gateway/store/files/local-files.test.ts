// The store in files across restarts, crashes, full disks and second processes.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { lockFolder } from '../../../../gateway/store/files/folder-lock.ts';
import { type LocalStoreOptions, openLocalStore } from '../../../../gateway/store/files/local-store.ts';
import { DEFAULT_RETENTION } from '../../../../gateway/store/retention.ts';
import type { Store } from '../../../../gateway/store/store.ts';
import { folderOf } from '../../../support/folder.ts';
import { fill, needsRoot, smallDisk } from '../../../support/small-disk.ts';
import { undo } from '../../../support/undo.ts';
import { until } from '../../../support/until.ts';
import { addsUp, batchOf, comparison, idsOf, NOW, written } from '../made.ts';

const SUBJECT = { model: 'digits', shadow: 'v2', baseline: 'v1', candidate: 'v2' };

async function open(t: TestContext, folder: string, more: LocalStoreOptions = {}): Promise<Store> {
  const store = await openLocalStore({ folder, ...more });
  undo(t, () => store.close());
  return store;
}

/** What a process leaves that was killed while it held the folder. */
function deadLock(folder: string): void {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, join(folder, 'lock')]);
  assert.deepEqual(readdirSync(folder), ['lock']);
}

async function pairsIn(store: Store): Promise<number> {
  const slots = await store.comparisons.sums(SUBJECT, 'hour', NOW - 7_200_000, NOW + 7_200_000);
  return slots.reduce((sum, { sums }) => sum + (sums.get('pairs') ?? 0), 0);
}

test('everything is there after a restart', async (t) => {
  const folder = folderOf(t);
  const first = await open(t, folder);
  first.comparisons.append(batchOf([comparison('a'), comparison('b')]));
  first.experiments.expose('exp', 'a', 'ada');
  first.experiments.add('exp', 'a', new Map([['requests', 2]]));
  await first.rollouts.advance({ id: 'r', epoch: 4, step: 1 }, 0);
  await first.rollouts.rollBack('bad');
  await first.shadowOrders.order('m/v2', true);
  await first.audit.append({ id: 'x', at: NOW, who: 'ada' });
  await first.close();
  const second = await open(t, folder);
  assert.deepEqual(await idsOf(second), ['b', 'a']);
  assert.equal(await pairsIn(second), 2);
  assert.deepEqual([...second.rollouts.known().documents.values()], [{ id: 'r', epoch: 4, step: 1 }]);
  assert.deepEqual([...second.rollouts.known().rolledBack], ['bad']);
  assert.deepEqual([...second.shadowOrders.paused()], ['m/v2']);
  assert.deepEqual(
    (await second.audit.read(5)).map(({ id }) => id),
    ['x'],
  );
  const { units, sums } = await second.experiments.read('exp');
  assert.deepEqual([units.get('a'), sums.get('a')?.get('requests')], [1, 2]);
});

test('after a crash sums are what the log says, no comparison counted twice or not at all', async (t) => {
  const folder = folderOf(t);
  const first = await open(t, folder);
  first.comparisons.append(batchOf([comparison('a'), comparison('b')]));
  await written(first, 2);
  await first.close(); // a snapshot
  const second = await open(t, folder);
  second.comparisons.append(batchOf([comparison('c')]));
  await written(second, 3 - 2);
  // The folder as it would be after SIGKILL now: without a further snapshot, and with a line cut short.
  const crashed = folderOf(t);
  cpSync(folder, crashed, { recursive: true, filter: (path) => !/\/lock[^/]*$/.test(path) });
  const last = readdirSync(join(crashed, 'comparisons')).sort().at(-1) ?? '';
  appendFileSync(join(crashed, 'comparisons', last), '{"id":"cut sho');
  const third = await open(t, crashed);
  assert.deepEqual(await idsOf(third), ['c', 'b', 'a']);
  assert.equal(await pairsIn(third), 3);
  third.comparisons.append(batchOf([comparison('d')]));
  await written(third, 1);
  assert.deepEqual(await idsOf(third), ['d', 'c', 'b', 'a']);
  await third.close();
  assert.equal(await pairsIn(await open(t, crashed)), 4);
});

test('a crash in the middle of a snapshot leaves sums right', async (t) => {
  const folder = folderOf(t);
  const store = await open(t, folder);
  store.comparisons.append(batchOf([comparison('a')]));
  await written(store, 1);
  const before = folderOf(t);
  cpSync(folder, before, { recursive: true, filter: (path) => !/\/lock[^/]*$/.test(path) });
  await store.close();
  // Some slots written, the mark of the whole snapshot not.
  for (const name of readdirSync(join(folder, 'sums'))) {
    if (name === 'upto.json' || name.startsWith('hour')) continue;
    cpSync(join(folder, 'sums', name), join(before, 'sums', name));
  }
  const again = await open(t, before);
  assert.equal(await pairsIn(again), 1);
  const minutes = await again.comparisons.sums(SUBJECT, 'minute', NOW - 120_000, NOW + 120_000);
  assert.deepEqual(
    minutes.map(({ sums }) => sums.get('pairs')),
    [1],
  );
});

test('a rollback is on disk when it is acknowledged, whole or not at all', async (t) => {
  const folder = folderOf(t);
  const store = await open(t, folder);
  await store.rollouts.rollBack('bad');
  assert.deepEqual(JSON.parse(readFileSync(join(folder, 'rollouts.json'), 'utf8')).rolledBack, ['bad']);
  writeFileSync(join(folder, 'rollouts.json.tmp'), '{"half":');
  await store.close();
  assert.ok((await open(t, folder)).rollouts.known().rolledBack.has('bad'));
});

test('where nobody says which rollouts to hold, a damaged rollout state stops the start rather than forget a rollback', async (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, 'rollouts.json'), '{"rolledBack":["ba');
  await assert.rejects(openLocalStore({ folder }), /rollouts\.json/);
});

test('the oldest comparisons go by count and by age', async (t) => {
  const folder = folderOf(t);
  const store = await open(t, folder, { retention: { ...DEFAULT_RETENTION, comparisons: 2500 } });
  for (let i = 0; i < 10; i++) {
    store.comparisons.append(batchOf(Array.from({ length: 1000 }, (_, j) => comparison(`${i}-${j}`))));
    await written(store, 1000 * (i + 1));
  }
  const files = () => readdirSync(join(folder, 'comparisons')).length;
  assert.ok(files() <= 4, `${files()} files`);
  const ids = await idsOf(store, { limit: 10_000 });
  assert.ok(ids.length >= 2500 && ids.length <= 3500, `${ids.length}`);
  assert.equal(ids[0], '9-999');
  assert.equal(await pairsIn(store), 10_000);
  await store.close();
  const strict = await open(t, folder, { retention: { ...DEFAULT_RETENTION, comparisonsMs: 0 } });
  strict.comparisons.append(batchOf([comparison('new')]));
  await written(strict, 1);
  assert.deepEqual(await idsOf(strict), ['new']);
});

test('a second process is refused and told why, and a killed one leaves no lock', async (t) => {
  const folder = folderOf(t);
  const script = `import('${new URL('../../../../gateway/store/files/local-store.js', import.meta.url)}').then(async ({ openLocalStore }) => {
    await openLocalStore({ folder: process.argv[1] });
    console.log('locked');
    setInterval(() => {}, 1000);
  });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  undo(t, () => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  await assert.rejects(openLocalStore({ folder }), /is in use by another process.*--data/);
  child.kill('SIGSTOP'); // a frozen process holds its folder too
  await assert.rejects(openLocalStore({ folder }), /in use/);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  await (await open(t, folder)).close();
});

test('of many that start at once exactly one gets the folder, also where a killed one left its lock', async (t) => {
  const folder = folderOf(t);
  for (let round = 0; round < 15; round++) {
    if (round % 2 === 1) deadLock(folder);
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
    const winners = tries.flatMap((tried) => (tried.status === 'fulfilled' ? [tried.value] : []));
    assert.equal(winners.length, 1, `round ${round}`);
    await assert.rejects(lockFolder(folder), /in use/);
    await winners[0]?.();
    assert.deepEqual(readdirSync(folder), []);
  }
});

test('a folder with a very long path is locked too, and leaves nothing elsewhere', async (t) => {
  const folder = join(folderOf(t), 'x'.repeat(100), 'y'.repeat(100));
  mkdirSync(folder, { recursive: true });
  const store = await open(t, folder);
  await assert.rejects(openLocalStore({ folder }), /in use/);
  await store.close();
  const id = createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, 16);
  assert.equal(existsSync(join(tmpdir(), `sluice-${id}`)), false);
});

test(
  'a full disk costs records, which are counted, and no sum, and a rollback says that it failed',
  needsRoot(),
  async (t) => {
    const folder = smallDisk(t, '256k');
    const troubles: Error[] = [];
    const store = await open(t, folder, { onTrouble: (error) => troubles.push(error) });
    for (let i = 0; i < 20; i++) {
      store.comparisons.append(batchOf(Array.from({ length: 100 }, (_, j) => comparison(`${i}-${j}`))));
      await until(() => store.health().counters.waiting === 0, 'an empty queue');
    }
    const { written: kept, dropped } = store.health().counters;
    assert.ok(kept > 0 && dropped > 0 && addsUp(store), `${kept} ${dropped}`);
    assert.match(store.health().reason ?? '', /ENOSPC/);
    assert.equal(troubles.length, 1);
    await assert.rejects(store.rollouts.rollBack('bad'), /ENOSPC/);
    assert.ok(store.rollouts.known().rolledBack.has('bad'), 'effective here all the same');
    for (const name of readdirSync(join(folder, 'comparisons')).slice(0, -1)) rmSync(join(folder, 'comparisons', name));
    await store.rollouts.rollBack('bad');
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'rollouts.json'), 'utf8')).rolledBack, ['bad']);
    assert.equal(await pairsIn(store), 2000);
  },
);

/** The ways in which a disk fails under a running gateway, and how that ends. */
const DISKS: Readonly<
  Record<string, readonly [code: RegExp, begin: (folder: string) => void, end: (folder: string) => void]>
> = {
  full: [/ENOSPC/, (folder) => fill(join(folder, 'ballast')), (folder) => rmSync(join(folder, 'ballast'))],
  'read-only': [
    /EROFS/,
    (folder) => execFileSync('mount', ['-o', 'remount,ro', folder]),
    (folder) => execFileSync('mount', ['-o', 'remount,rw', folder]),
  ],
  'gone from its place': [
    /ENOENT/,
    (folder) => renameSync(join(folder, 'data'), join(folder, 'away')),
    (folder) => mkdirSync(join(folder, 'data')),
  ],
  // A write at address 0 of this process is an I/O error.
  broken: [/EIO/, (folder) => symlinkSync('/proc/self/mem', join(folder, 'data', 'rollouts.json.tmp')), () => {}],
};

for (const [how, [code, begin, end]] of Object.entries(DISKS))
  test(
    `with a disk that is ${how} nothing known is lost: it holds at once and is written when the disk takes it`,
    needsRoot(),
    async (t) => {
      const disk = smallDisk(t, '1m');
      const folder = join(disk, 'data');
      const { rollouts, health } = await open(t, folder);
      assert.equal((await rollouts.advance({ id: 'a', epoch: 1 }, 0)).kind, 'written');
      begin(disk);
      await assert.rejects(rollouts.rollBack('bad', { id: 'bad', epoch: 2, reason: 'slow' }), code);
      assert.deepEqual([...rollouts.known().pending.disk], ['bad'], 'in effect, and not on disk');
      assert.match(health().reason ?? '', code);
      if (how !== 'broken') {
        await assert.rejects(rollouts.advance({ id: 'a', epoch: 2 }, 1), code);
        await assert.rejects(rollouts.keep({ id: 'b', epoch: 1 }), code);
      } else await rollouts.keep({ id: 'b', epoch: 1 });
      assert.deepEqual(
        [...rollouts.known().documents.values()].map(({ id, epoch }) => [id, epoch]),
        [
          ['a', 1],
          ['bad', 2],
          ['b', 1],
        ],
      );
      assert.deepEqual([...rollouts.known().pendingDocuments.disk], how === 'broken' ? [] : ['bad', 'b']);
      end(disk);
      await rollouts.refresh();
      assert.deepEqual([rollouts.known().pending.disk.size, health().up], [0, true]);
      assert.equal(rollouts.known().pendingDocuments.disk.size, 0);
      const { documents, rolledBack } = JSON.parse(readFileSync(join(folder, 'rollouts.json'), 'utf8'));
      assert.deepEqual(
        [documents, rolledBack],
        [
          [
            { id: 'a', epoch: 1 },
            { id: 'bad', epoch: 2, reason: 'slow' },
            { id: 'b', epoch: 1 },
          ],
          ['bad'],
        ],
      );
    },
  );

test(
  'an audit entry and an order to a shadow that a full disk refuses are known, and written when there is room',
  needsRoot(),
  async (t) => {
    const disk = smallDisk(t, '1m');
    const store = await open(t, disk);
    const audit = join(disk, 'audit.jsonl');
    await store.audit.append({ id: 'before', at: 1 });
    fill(join(disk, 'ballast'));
    await assert.rejects(store.audit.append({ id: 'a', at: 2, text: 'x'.repeat(9000) }), /ENOSPC/);
    await assert.rejects(store.audit.append({ id: 'b', at: 3 }), /ENOSPC/);
    await assert.rejects(store.shadowOrders.order('m/v2', true), /ENOSPC/);
    assert.deepEqual(
      (await store.audit.read(5)).map(({ id }) => id),
      ['b', 'a', 'before'],
    );
    assert.deepEqual([...store.shadowOrders.paused()], ['m/v2']);
    assert.match(store.health().reason ?? '', /shadow-orders.json: ENOSPC/);
    rmSync(join(disk, 'ballast'));
    await until(() => /"b"/.test(readFileSync(audit, 'utf8')), 'the entries on disk', 5000);
    await store.shadowOrders.refresh();
    assert.equal(JSON.parse(readFileSync(join(disk, 'shadow-orders.json'), 'utf8'))['m/v2'].isPaused, true);
    assert.equal(store.health().up, true);
    await store.audit.append({ id: 'after', at: 4 });
    assert.deepEqual(
      (await store.audit.read(5)).map(({ id }) => id),
      ['after', 'b', 'a', 'before'],
      'each once',
    );
  },
);

test('audit entries beyond a thousand that wait for a disk that fails are counted, and the others are written', async (t) => {
  const folder = folderOf(t);
  const store = await open(t, folder);
  const file = join(folder, 'audit.jsonl');
  mkdirSync(file); // so that every write fails
  for (let i = 0; i < 1003; i++) await assert.rejects(store.audit.append({ id: `${i}`, at: i }), /EISDIR/);
  assert.equal(store.health().auditDropped, 3);
  rmdirSync(file);
  await until(() => store.health().up, 'the disk takes them', 5000);
  const ids = (await store.audit.read(2000)).map(({ id }) => id);
  assert.deepEqual([ids.length, ids[0], ids.at(-1), store.health().auditDropped], [1000, '1002', '3', 3]);
});

test('an audit entry after a line that a crash cut short is a line of its own', async (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, 'audit.jsonl'), '{"id":"whole","at":1}\n{"id":"cut sho');
  const store = await open(t, folder);
  await store.audit.append({ id: 'next', at: 2 });
  assert.deepEqual(
    (await store.audit.read(5)).map(({ id }) => id),
    ['next', 'whole'],
  );
});

test(
  'a store that was full is well again when there is room, also where nothing more is told to it',
  needsRoot(),
  async (t) => {
    const disk = smallDisk(t, '1m');
    const store = await open(t, disk);
    fill(join(disk, 'ballast'));
    store.comparisons.append(batchOf([comparison('a')]));
    await until(() => !store.health().up, 'the reason');
    rmSync(join(disk, 'ballast'));
    await until(() => store.health().up, 'a store that is well', 5000);
  },
);

test('comparisons are kept beside a last segment that can neither be read nor written', async (t) => {
  const folder = folderOf(t);
  mkdirSync(join(folder, 'comparisons', 'comparisons-000000007.jsonl'), { recursive: true });
  const store = await openLocalStore({ folder });
  store.comparisons.append(batchOf([comparison('a')]));
  await written(store, 1);
  assert.deepEqual([store.health().up, store.damages.list().length], [true, 1]);
  await store.close();
  const again = await openLocalStore({ folder });
  assert.deepEqual(
    (await again.comparisons.page({ limit: 10 })).comparisons.map(({ id }) => id),
    ['a'],
  );
  await again.close();
});

test('what is stored is for its owner alone', async (t) => {
  const folder = folderOf(t);
  const store = await open(t, folder);
  store.comparisons.append(batchOf([comparison('a')]));
  await store.rollouts.rollBack('bad');
  await store.audit.append({ id: 'x', at: 1 });
  await store.close();
  const names = [
    'rollouts.json',
    'audit.jsonl',
    ...readdirSync(join(folder, 'comparisons')).map((name) => join('comparisons', name)),
  ];
  for (const name of names) assert.equal(statSync(join(folder, name)).mode & 0o077, 0, name);
});
