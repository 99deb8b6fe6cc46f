import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotOf } from '../../../gateway/decide/bucket.ts';

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

test('slots are uniform: chi-square of 100,000 users in 100 bins stays below the 99.9 % point', () => {
  const bins = new Array<number>(100).fill(0);
  for (let i = 0; i < 100_000; i++) {
    const bin = Math.floor(slotOf('uniform.canary', `user-${i}`) / 10_000);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare < 148.2, `chi-square ${chiSquare} with 99 degrees of freedom`);
});
