import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleRatio } from '../../../gateway/statistics/sample-ratio.ts';
import { hashOfUnit, UnitSample } from '../../../gateway/store/unit-sample.ts';

test('units are counted exactly while they fit, however often they come', () => {
  const sample = new UnitSample(1000);
  for (let round = 0; round < 3; round++)
    for (let i = 0; i < 900; i++) sample.add(hashOfUnit('e', `u${i}`), i % 3 === 0 ? 'b' : 'a');
  const { units, sampled, crossed } = sample.counts();
  assert.deepEqual([units.get('a'), units.get('b'), sampled.get('a'), crossed], [600, 300, 600, 0]);
});

test('beyond, a uniform sample tells how many there are, within 3 standard errors', () => {
  for (const total of [5000, 50_000, 200_000]) {
    const sample = new UnitSample(2000);
    for (let i = 0; i < total; i++) sample.add(hashOfUnit('e', `u${i}`), i % 4 === 0 ? 'b' : 'a');
    const { units, sampled } = sample.counts();
    const counted = (units.get('a') ?? 0) + (units.get('b') ?? 0);
    assert.ok(Math.abs(counted / total - 1) < 3 / Math.sqrt(2000), `${counted} of ${total}`);
    assert.equal((sampled.get('a') ?? 0) + (sampled.get('b') ?? 0), 2000);
    const [a, b] = [sampled.get('a') ?? 0, sampled.get('b') ?? 0];
    assert.equal(
      sampleRatio([
        { units: a, share: 0.75 },
        { units: b, share: 0.25 },
      ])?.mismatch,
      false,
    );
    assert.equal(
      sampleRatio([
        { units: a, share: 0.5 },
        { units: b, share: 0.5 },
      ])?.mismatch,
      true,
    );
  }
});

test('samples of several replicas make the sample of all, in any order', () => {
  const [one, two, all] = [new UnitSample(500), new UnitSample(500), new UnitSample(500)];
  for (let i = 0; i < 5000; i++) {
    const hash = hashOfUnit('e', `u${i}`);
    (i % 2 === 0 ? one : two).add(hash, 'a');
    all.add(hash, 'a');
  }
  const merged = new UnitSample(500);
  for (const sample of [two, one]) for (const [hash, arm] of sample.entries()) merged.add(hash, arm);
  assert.deepEqual(merged.counts(), all.counts());
});

test('a unit that saw two arms counts in both and is told', () => {
  const sample = new UnitSample();
  assert.deepEqual([sample.add(1, 'a'), sample.add(1, 'a'), sample.add(1, 'b')], [true, false, true]);
  assert.deepEqual([...sample.counts().sampled, sample.counts().crossed], [['a', 1], ['b', 1], 1]);
});
