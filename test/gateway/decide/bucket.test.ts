import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, slotIn, slotOf, unitIdIn } from '../../../gateway/decide/bucket.ts';
import { chiSquare, counted } from './setup.ts';

// Oracles of sha256-v1, computed independently in Python and DuckDB: salt, unit, slot.
const VECTORS: readonly (readonly [string, string, number])[] = [
  ['checkout-canary', 'user-1', 399289],
  ['checkout-canary', 'user-2', 350191],
  ['checkout-canary', 'user-3', 416151],
  ['checkout-canary', '', 362694],
  ['checkout-canary', '用户-1', 827930],
  ['checkout-canary', '😀', 18277],
  ['checkout-canary', 'hällo', 750235],
  ['ab-2026-01', 'user-1', 993030],
  ['ab-2026-01', 'user-2', 950394],
  ['ab-2026-01', 'user-3', 33355],
  ['ab-2026-01', '123', 875528],
  ['ab-2026-01', '8952klfjas09ujk', 76788],
  ['digits.canary', 'user-1', 610575],
  ['digits.canary', 'user-2', 479214],
  ['digits.canary', 'user-3', 903869],
  ['digits.canary', 'user-4', 776585],
  ['digits.canary', 'user-5', 315040],
  ['digits.canary', 'user-6', 752293],
  ['digits.canary', 'user-7', 44444],
  ['digits.canary', 'user-8', 69398],
  ['digits.shadow', 'user-1', 560590],
  ['digits.shadow', 'user-2', 81893],
  ['digits.shadow', 'user-3', 673245],
  ['digits.shadow', 'user-4', 221723],
];

test('slots equal the published vectors', () => {
  for (const [salt, unit, slot] of VECTORS) assert.equal(slotOf(salt, unit), slot, `${salt} ${unit}`);
});

/** Computed in Python: the text before the unit, the unit, the slot, the unit's id. */
const DIGESTS: readonly (readonly [string, string, number, number])[] = [
  ['v1:digits.canary.digits-v2:', 'user-1', 630780, 204636903783418],
  ['v1:digits.canary.digits-v2:', 'user-12', 81050, 270682901886015],
  ['v1:digits.canary.digits-v2:', 'ada', 266873, 25591198697107],
  ['v1:digits.canary:', 'user-7', 44444, 94596366408274],
  ['v1:digits.canary:', '', 948718, 85529423481952],
  ['v1:digits.canary:', '用户-1', 927022, 236123744226270],
  ['v1:digits.canary:', '😀', 730272, 79277186980538],
  ['v1:checkout-canary:', 'hällo', 750235, 223491766523008],
];

test('slot and id of a unit come from one digest, and are what another program makes of it', () => {
  for (const [prefix, unit, slot, id] of DIGESTS) {
    const digest = digestOf(prefix, unit);
    assert.deepEqual([slotIn(digest), unitIdIn(digest)], [slot, id], unit);
  }
});

test('the id of a unit says nothing about its slot: 100,000 users in ten by ten bins', () => {
  const pairs = Array.from({ length: 100_000 }, (_, i) => {
    const digest = digestOf('v1:uniform.canary:', `user-${i}`);
    return [Math.floor(slotIn(digest) / 100_000), Math.floor((unitIdIn(digest) / 2 ** 48) * 10)] as const;
  });
  const statistic = chiSquare(counted(pairs, 10));
  assert.ok(statistic < 126.1, `chi-square ${statistic} with 81 degrees of freedom`);
});

test('slots are uniform: chi-square of 100,000 users in 100 bins stays below the 99.9 % point', () => {
  const bins = new Array<number>(100).fill(0);
  for (let i = 0; i < 100_000; i++) {
    const bin = Math.floor(slotOf('uniform.canary', `user-${i}`) / 10_000);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const statistic = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(statistic < 148.2, `chi-square ${statistic} with 99 degrees of freedom`);
});
