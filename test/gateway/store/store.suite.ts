// What every store promises, whatever it is made of.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareNumbers } from '../../../gateway/compare/comparators/regression.ts';
import { summarise } from '../../../gateway/compare/summary.ts';
import { totalOf } from '../../../gateway/statistics/sums.ts';
import type { Store } from '../../../gateway/store/store.ts';
import { until } from '../../support/until.ts';
import { addsUp, batchOf, comparison, differing, idsOf, NOW, written } from './made.ts';

const SUBJECT = { model: 'digits', shadow: 'v2', baseline: 'v1', candidate: 'v2' };
const HOUR = 3_600_000;

type Options = { readonly skip?: string | false };

/** Runs the suite; `open` gives each test an empty store that closes with it. */
export function storeSuite(name: string, options: Options, open: (t: TestContext) => Promise<Store>): void {
  describe(name, options, () => {
    comparisonSuite(open);
    rolloutSuite(open);
    countSuite(open);
  });
}

function comparisonSuite(open: (t: TestContext) => Promise<Store>): void {
  test('comparisons come back the newest first, a page at a time, each once', async (t) => {
    const store = await open(t);
    for (let i = 0; i < 5; i++) store.comparisons.append(batchOf([comparison(`${2 * i}`), comparison(`${2 * i + 1}`)]));
    await written(store, 10);
    const seen: string[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages === 0 || (cursor !== undefined && pages < 20); pages++) {
      const page = await store.comparisons.page({ limit: 3, cursor });
      assert.ok(page.comparisons.length <= 3);
      seen.push(...page.comparisons.map(({ id }) => id));
      cursor = page.cursor;
    }
    assert.deepEqual(seen, ['9', '8', '7', '6', '5', '4', '3', '2', '1', '0']);
  });

  test('what came after a place is told the oldest first', async (t) => {
    const store = await open(t);
    store.comparisons.append(batchOf([comparison('before')]));
    await written(store, 1);
    const { newest } = await store.comparisons.page({ limit: 1 });
    store.comparisons.append(batchOf([comparison('a'), comparison('b'), comparison('c')]));
    await written(store, 4);
    const first = await store.comparisons.page({ limit: 2, after: newest });
    assert.deepEqual(
      first.comparisons.map(({ id }) => id),
      ['a', 'b'],
    );
    const second = await store.comparisons.page({ limit: 2, after: first.newest });
    assert.deepEqual(
      second.comparisons.map(({ id }) => id),
      ['c'],
    );
    assert.deepEqual((await store.comparisons.page({ limit: 2, after: second.newest })).comparisons, []);
  });

  test('5,000 values of a header take no room of what is counted, and those beyond the bound are counted together', async (t) => {
    const store = await open(t);
    const made = Array.from({ length: 5000 }, (_, i) =>
      comparison(`${i}`, {
        kind: i % 25 === 24 ? 'different' : 'same',
        slices: { tier: i % 2 === 0 ? 'fast' : 'slow', 'x-tenant': `tenant-${i}` },
        ...(i % 25 === 24 && { fields: [differing('label')] }),
      }),
    );
    for (let i = 0; i < 5000; i += 50) store.comparisons.append(batchOf(made.slice(i, i + 50)));
    await written(store, 5000);
    const read = async () =>
      totalOf((await store.comparisons.sums(SUBJECT, 'hour', NOW - HOUR, NOW + HOUR)).map(({ sums }) => sums));
    await until(async () => (await read()).get('pairs') === 5000, 'the sums');
    const sums = await read();
    assert.ok(sums.size < 2000, `${sums.size} keys`);
    const { disagreement, slices, otherSlices, fields, overflow } = summarise(sums);
    assert.deepEqual([disagreement.count, disagreement.of, overflow], [200, 5000, 0]);
    assert.deepEqual([fields[0]?.field, fields[0]?.raw.count], ['label', 200]);
    const tiers = slices.filter(({ name }) => name === 'tier');
    assert.deepEqual(tiers.map(({ value, pairs }) => [value, pairs]).sort(), [
      ['fast', 2500],
      ['slow', 2500],
    ]);
    const tenants = slices.filter(({ name }) => name === 'x-tenant');
    assert.deepEqual(
      otherSlices.map(({ name, pairs }) => [name, pairs + tenants.length]),
      [['x-tenant', 5000]],
    );
    const told = tenants.reduce((sum, slice) => sum + slice.disagreement.count, 0);
    assert.equal(told + (otherSlices[0]?.disagreement.count ?? 0), 200);
  });

  test('every filter must fit', async (t) => {
    const store = await open(t);
    const other = { baseline: { ...comparison('').baseline, version: 'v3' } };
    store.comparisons.append(
      batchOf([
        comparison('plain'),
        comparison('model', { model: 'spam' }),
        comparison('shadow', { shadow: 'large' }),
        comparison('version', other),
        comparison('kind', { kind: 'different', fields: [differing('label')] }),
        comparison('old', { at: NOW - 2 * HOUR }),
      ]),
    );
    await written(store, 6);
    assert.deepEqual(await idsOf(store, { model: 'spam' }), ['model']);
    assert.deepEqual(await idsOf(store, { shadow: 'large' }), ['shadow']);
    assert.deepEqual(await idsOf(store, { version: 'v3' }), ['version']);
    assert.deepEqual(await idsOf(store, { kind: 'different' }), ['kind']);
    assert.deepEqual(await idsOf(store, { field: 'label' }), ['kind']);
    assert.deepEqual(await idsOf(store, { field: 'label', from: '3' }), []);
    assert.deepEqual(await idsOf(store, { until: NOW - HOUR }), ['old']);
    assert.deepEqual(await idsOf(store, { since: NOW - HOUR, model: 'digits', shadow: 'v2', kind: 'same' }), [
      'version',
      'plain',
    ]);
    assert.deepEqual(await idsOf(store, { model: 'spam', kind: 'different' }), []);
  });

  test('a cursor or a place that means nothing harms nothing', async (t) => {
    const store = await open(t);
    store.comparisons.append(batchOf([comparison('a')]));
    await written(store, 1);
    for (const text of ['', 'x', '-1:-1', '99999999999999999999-0', '9'.repeat(500), '0-0; FLUSHALL']) {
      assert.ok(Array.isArray((await store.comparisons.page({ limit: 5, cursor: text })).comparisons));
      assert.ok(Array.isArray((await store.comparisons.page({ limit: 5, after: text })).comparisons));
    }
  });

  test('sums add up by minute and by hour, apart for each subject', async (t) => {
    const store = await open(t);
    const hour = Math.floor(NOW / HOUR) * HOUR;
    const at = (minutes: number) => ({ at: hour + minutes * 60_000 });
    const candidate = { ...comparison('').candidate, version: 'v3' };
    store.comparisons.append(batchOf([comparison('a', at(0)), comparison('b', { ...at(1), kind: 'different' })]));
    store.comparisons.append(batchOf([comparison('c', at(1)), comparison('d', { ...at(1), candidate })]));
    await written(store, 4);
    const read = (slot: 'minute' | 'hour') => store.comparisons.sums(SUBJECT, slot, hour, hour + HOUR);
    await until(async () => (totalOf((await read('minute')).map(({ sums }) => sums)).get('pairs') ?? 0) === 3, 'sums');
    const minutes = await read('minute');
    assert.deepEqual(
      minutes.map((slot) => [slot.at - hour, slot.sums.get('pairs'), slot.sums.get('kind/different')]),
      [
        [0, 1, undefined],
        [60_000, 2, 1],
      ],
    );
    const [total, ...more] = await read('hour');
    assert.deepEqual(
      [total?.at, total?.sums.get('pairs'), total?.sums.get('latency/baseline'), more.length],
      [hour, 3, 6, 0],
    );
    const subjects = (await store.comparisons.subjects()).map((subject) => subject.candidate);
    assert.deepEqual(subjects.sort(), ['v2', 'v3']);
  });

  test('names with every special character stay in their place', async (t) => {
    const store = await open(t);
    const hostile = 'a:b{c}*?[d]/%2F\n"__proto__';
    const side = { ...comparison('').candidate, version: hostile };
    const made = comparison(hostile, {
      model: hostile,
      shadow: hostile,
      candidate: side,
      fields: [differing(hostile)],
    });
    store.comparisons.append(batchOf([{ ...made, kind: 'different' }]));
    await written(store, 1);
    assert.deepEqual(await idsOf(store, { model: hostile, field: hostile, version: hostile }), [hostile]);
    const subject = { model: hostile, shadow: hostile, baseline: 'v1', candidate: hostile };
    const sums = () => store.comparisons.sums(subject, 'hour', NOW - HOUR, NOW + HOUR);
    await until(async () => (await sums()).length > 0, 'sums');
    assert.deepEqual(await store.comparisons.subjects(), [subject]);
    store.outcomes.put('__proto__', 5, { ['__proto__']: { constructor: 3 } });
    await until(async () => (await store.outcomes.read('__proto__', 5, 6)).length > 0, 'a window');
    assert.equal(({} as Record<string, unknown>).constructor, Object);
  });

  test('limits of agreement keep their digits beside a bias of 1e8', async (t) => {
    const store = await open(t);
    const output = (value: number) => ({ name: 'y', datatype: 'FP64', shape: [1], values: [value] });
    const deltas = [-0.2, 0.4, 0.1, 0.4, 0.1];
    for (let i = 0; i < 1000; i++) {
      const field = { field: 'y', ...compareNumbers(output(3), output(3 + 1e8 + (deltas[i % 5] ?? 0)), {}) };
      store.comparisons.append(batchOf([comparison(`${i}`, { kind: 'different', fields: [field] })]));
    }
    await written(store, 1000);
    const read = async () =>
      totalOf((await store.comparisons.sums(SUBJECT, 'hour', NOW - HOUR, NOW + HOUR)).map(({ sums }) => sums));
    await until(async () => (await read()).get('pairs') === 1000, 'the sums');
    const [{ limits } = {}] = summarise(await read()).fields;
    assert.ok(Math.abs((limits?.bias ?? 0) - 1e8 - 0.16) < 1e-6, `${limits?.bias}`);
    assert.ok(Math.abs((limits?.sd ?? 0) - 0.2246) < 1e-3, `${limits?.sd}`);
  });

  test('of kept values the newest 2,000 are there', async (t) => {
    const store = await open(t);
    const kept = Array.from({ length: 2100 }, (_, i) => ({ id: `k-${i}`, text: `[${i}]`, ttlMs: 60_000 }));
    store.comparisons.append(batchOf([], kept));
    await until(async () => (await store.comparisons.kept('k-2099')) === '[2099]', 'the newest');
    await until(async () => (await store.comparisons.kept('k-99')) === undefined, 'the end of the oldest');
    assert.equal(await store.comparisons.kept('k-100'), '[100]');
  });

  test('kept values are there until their time is over', async (t) => {
    const store = await open(t);
    store.comparisons.append(
      batchOf(
        [comparison('k')],
        [
          { id: 'long', text: '{"a":1}', ttlMs: 60_000 },
          { id: 'short', text: '{}', ttlMs: 1 },
        ],
      ),
    );
    await written(store, 1);
    await until(async () => (await store.comparisons.kept('long')) === '{"a":1}', 'kept values');
    await until(async () => (await store.comparisons.kept('short')) === undefined, 'their end');
    assert.equal(await store.comparisons.kept('never'), undefined);
  });

  test('whoever waits for news is woken by it, and by time otherwise', async (t) => {
    const store = await open(t);
    await store.comparisons.news(20);
    let woken = false;
    const news = store.comparisons.news(10_000).then(() => {
      woken = true;
    });
    await sleep(100);
    store.comparisons.append(batchOf([comparison('n')]));
    await until(() => woken, 'the news', 5000);
    await news;
  });

  test('a flood is bounded, and every comparison counted', async (t) => {
    const store = await open(t);
    const batch = batchOf(Array.from({ length: 1000 }, (_, i) => comparison(`f${i}`)));
    for (let i = 0; i < 40; i++) store.comparisons.append(batch);
    assert.ok(addsUp(store));
    assert.equal(store.health().counters.offered, 40_000);
    assert.ok(store.health().counters.dropped > 0);
    await until(() => store.health().counters.waiting === 0, 'an empty queue');
    assert.ok(addsUp(store));
  });
}

function rolloutSuite(open: (t: TestContext) => Promise<Store>): void {
  test('a state is written only over the epoch that its writer saw', async (t) => {
    const { rollouts } = await open(t);
    const first = { id: 'r', epoch: 1, step: 0 };
    assert.deepEqual(await rollouts.advance(first, 0), { kind: 'written' });
    assert.deepEqual(await rollouts.advance({ id: 'r', epoch: 2, step: 9 }, 0), {
      kind: 'conflict',
      current: first,
      rolledBack: false,
    });
    assert.deepEqual(await rollouts.advance({ id: 'r', epoch: 1, step: 9 }, 1), {
      kind: 'conflict',
      current: first,
      rolledBack: false,
    });
    assert.deepEqual(await rollouts.advance({ id: 'r', epoch: 5, step: 1 }, 1), { kind: 'written' });
    assert.deepEqual([...(await rollouts.refresh()).documents.values()], [{ id: 'r', epoch: 5, step: 1 }]);
  });

  test('of writers who saw the same epoch exactly one wins', async (t) => {
    const { rollouts } = await open(t);
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, writer) => rollouts.advance({ id: 'r', epoch: 1, writer }, 0)),
    );
    assert.equal(results.filter(({ kind }) => kind === 'written').length, 1);
  });

  test('a rollback ends a rollout for ever, also one that nobody knew', async (t) => {
    const { rollouts } = await open(t);
    await rollouts.advance({ id: 'r', epoch: 1 }, 0);
    assert.deepEqual(await rollouts.rollBack('r'), { shared: true });
    assert.deepEqual(await rollouts.rollBack('r'), { shared: true });
    assert.deepEqual(await rollouts.rollBack('never seen'), { shared: true });
    assert.deepEqual([...rollouts.known().rolledBack].sort(), ['never seen', 'r']);
    const late = await rollouts.advance({ id: 'r', epoch: 2 }, 1);
    assert.deepEqual([late.kind, late.kind === 'conflict' && late.rolledBack], ['conflict', true]);
    assert.deepEqual([...(await rollouts.refresh()).rolledBack].sort(), ['never seen', 'r']);
  });

  test('of the orders to a shadow the last one is right', async (t) => {
    const { shadowOrders } = await open(t);
    assert.deepEqual([...shadowOrders.paused()], []);
    assert.deepEqual(await shadowOrders.order('m/v2', true), { shared: true });
    assert.deepEqual(await shadowOrders.order('m/v3', true), { shared: true });
    await Promise.all([
      shadowOrders.order('m/v3', false),
      shadowOrders.order('m/v3', true),
      shadowOrders.order('m/v3', false),
    ]);
    assert.deepEqual([...shadowOrders.paused()], ['m/v2']);
    assert.deepEqual([...(await shadowOrders.refresh())], ['m/v2']);
  });

  test('the audit trail tells the newest first', async (t) => {
    const { audit } = await open(t);
    for (let i = 0; i < 3; i++) await audit.append({ id: `${i}`, at: NOW + i, who: 'ada', why: 'a "quoted"\nreason' });
    await until(async () => (await audit.read(10)).length === 3, 'three entries');
    assert.deepEqual(
      (await audit.read(2)).map(({ id }) => id),
      ['2', '1'],
    );
    assert.equal((await audit.read(1))[0]?.why, 'a "quoted"\nreason');
  });
}

function countSuite(open: (t: TestContext) => Promise<Store>): void {
  test('counts of a second replace what was told of it before', async (t) => {
    const { outcomes, now } = await open(t);
    const second = Math.floor(now() / 1000);
    outcomes.put('digits', second, { v1: { ok: 5 } });
    outcomes.put('digits', second + 1, { v1: { ok: 1 }, v2: { ok: 2, model_fault: 1 } });
    outcomes.put('digits', second, { v1: { ok: 9 } });
    outcomes.put('spam', second, { v1: { ok: 7 } });
    await until(async () => (await outcomes.read('digits', second, second + 2)).length === 2, 'two seconds');
    const plain = JSON.parse(JSON.stringify(await outcomes.read('digits', second, second + 2)));
    assert.deepEqual(plain, [
      { second, counts: { v1: { ok: 9 } } },
      { second: second + 1, counts: { v1: { ok: 1 }, v2: { ok: 2, model_fault: 1 } } },
    ]);
    assert.deepEqual(await outcomes.read('digits', second + 2, second + 5), []);
  });

  test('an experiment counts units, not requests, and sees who crossed', async (t) => {
    const { experiments } = await open(t);
    for (let i = 0; i < 300; i++) experiments.expose('exp-7', i % 3 === 0 ? 'b' : 'a', `user-${i % 150}`);
    experiments.expose('exp-7', 'b', 'user-1');
    experiments.add(
      'exp-7',
      'a',
      new Map([
        ['requests', 3],
        ['errors', 1],
      ]),
    );
    experiments.add(
      'exp-7',
      'a',
      new Map([
        ['requests', 2],
        ['latency/3', 0.5],
      ]),
    );
    await until(async () => (await experiments.read('exp-7')).sums.get('a')?.get('requests') === 5, 'sums of an arm');
    const { units, sampled, crossed, sums } = await experiments.read('exp-7');
    assert.deepEqual([units.get('a'), units.get('b'), crossed], [100, 51, 1]);
    assert.deepEqual([...sampled].sort(), [...units].sort());
    assert.deepEqual([sums.get('a')?.get('errors'), sums.get('a')?.get('latency/3')], [1, 0.5]);
    assert.deepEqual([...(await experiments.read('unknown')).units], []);
  });
}
