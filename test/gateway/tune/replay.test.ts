import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pictureOf } from '../../../gateway/tune/picture.ts';
import { replay } from '../../../gateway/tune/replay.ts';
import type { Said, Trial } from '../../../gateway/tune/trial.ts';
import { type Climb, walkAll } from '../../../gateway/tune/walk.ts';

const LADDER: Climb = {
  tiers: ['fast', 'accurate'],
  start: 'fast',
  below: new Map([['fast', 0.8]]),
  calibrations: new Map(),
  budget: undefined,
};

/** Of ten inputs the fast tier is unsure of two and wrong on one of them; the accurate one costs ten times as much. */
function trials(count: number): Trial[] {
  return Array.from({ length: count }, (_, i) => {
    const isUnsure = i % 5 === 4;
    return {
      id: String(i),
      label: 'a',
      tiers: new Map([
        ['fast', { answer: i % 10 === 9 ? 'b' : 'a', confidence: isUnsure ? 0.6 : 0.9, latencyMs: 1, cost: 1 }],
        ['accurate', { answer: 'a', confidence: 0.99, latencyMs: 8, cost: 10 }],
      ]),
    };
  });
}

test('a replay tells quality, cost, latency and shares of every way', () => {
  const result = replay(['fast', 'accurate'], new Map([['the policy', LADDER]]), trials(1000), 'labels');
  const [fast, accurate] = result.singles;
  assert.deepEqual([fast?.quality.is, fast?.cost?.is, accurate?.quality.is, accurate?.cost?.is], [0.9, 0.1, 1, 1]);
  const [policy] = result.ladders;
  assert.equal(policy?.quality.is, 1);
  assert.ok(Math.abs((policy?.cost?.is ?? 0) - 0.3) < 1e-9); // 1 + 0.2 * 10, of 10
  assert.ok(Math.abs((policy?.meanMs ?? 0) - 2.6) < 1e-9);
  assert.equal(policy?.p99Ms, 9);
  assert.deepEqual(
    [...(policy?.shares ?? [])].map(([tier, share]) => [tier, +share.toFixed(6)]),
    [
      ['fast', 0.8],
      ['accurate', 0.2],
    ],
  );
  // The oracle asks the accurate tier only where the fast one is wrong.
  assert.ok(Math.abs((result.oracle.cost?.is ?? 0) - 0.19) < 1e-9);
  assert.equal(result.pairs[0]?.name, 'fast below 0.61, then accurate');
  assert.deepEqual(result.beaten, []);
  assert.ok((fast?.difference.high ?? 0) < 0);
});

test('a single tier that is as good and no dearer is told', () => {
  const always = { ...LADDER, below: new Map([['fast', 1]]) };
  const { beaten } = replay(['fast', 'accurate'], new Map([['the policy', always]]), trials(100), 'labels');
  assert.deepEqual(beaten, [{ ladder: 'the policy', by: 'always accurate' }]);
});

test('without labels the last tier is right by definition', () => {
  const bare = trials(100).map(({ label, ...rest }) => rest);
  const { singles, target } = replay(['fast', 'accurate'], new Map(), bare, 'last tier');
  assert.deepEqual([target, singles[1]?.quality.is, singles[0]?.quality.is], ['last tier', 1, 0.9]);
});

test('the budget is spent as a token bucket, and what it does not cover is kept', () => {
  const all = { ...LADDER, below: new Map([['fast', 1]]), budget: { share: 0.1, burst: 10 } };
  const walks = walkAll(all, trials(1000));
  const passedOn = walks.filter(({ by }) => by === 'accurate').length;
  assert.ok(passedOn >= 100 && passedOn <= 110, String(passedOn));
});

test('a tier without an answer is passed over, one without a confidence is not believed, a start above is kept', () => {
  const said: Said = { answer: 'a', latencyMs: 1, cost: 1 };
  const walk = (trial: Omit<Trial, 'id'>) => walkAll(LADDER, [{ id: '1', ...trial }])[0]?.by;
  assert.equal(walk({ tiers: new Map([['accurate', said]]) }), 'accurate');
  assert.equal(
    walk({
      tiers: new Map([
        ['fast', said],
        ['accurate', said],
      ]),
    }),
    'accurate',
  );
  assert.equal(
    walk({
      start: 'accurate',
      tiers: new Map([
        ['fast', { ...said, confidence: 1 }],
        ['accurate', said],
      ]),
    }),
    'accurate',
  );
  assert.equal(walk({ tiers: new Map([['fast', said]]) }), 'fast');
  assert.equal(walk({ tiers: new Map() }), undefined);
});

test('calibration is applied before the threshold', () => {
  const method = { kind: 'temperature' as const, temperature: 4 };
  const calibrations = new Map([['fast', [{ sha256: 'a'.repeat(64), method, escalated: undefined }]]]);
  const by = (digest: string) => {
    const of = trials(10).map(({ tiers, ...trial }) => ({
      ...trial,
      tiers: new Map([...tiers].map(([tier, said]) => [tier, { ...said, digest }])),
    }));
    return walkAll({ ...LADDER, calibrations }, of).filter((walk) => walk.by === 'accurate').length;
  };
  assert.equal(by('a'.repeat(64)), 10);
  assert.equal(by('b'.repeat(64)), 2, 'a calibration of another model file is not used, as in live traffic');
});

test('the picture is SVG that escapes names, and there is none without costs', () => {
  const result = replay(['fast', 'accurate'], new Map([['<policy>', LADDER]]), trials(100), 'labels');
  const picture = pictureOf(result, 'digits & more') ?? '';
  assert.match(picture, /^<svg /);
  assert.ok(picture.includes('&lt;policy&gt;') && picture.includes('digits &amp; more') && !picture.includes('NaN'));
  const free = trials(100).map((trial) => ({
    ...trial,
    tiers: new Map([...trial.tiers].map(([tier, { cost, ...said }]) => [tier, said] as const)),
  }));
  assert.equal(pictureOf(replay(['fast', 'accurate'], new Map(), free, 'labels'), ''), undefined);
});
