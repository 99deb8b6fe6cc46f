// Intervals that `replay` prints, against the truth: how often they hold it, and how wide they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairedDifference } from '../../../gateway/statistics/paired-difference.ts';
import { ratioOfSums } from '../../../gateway/statistics/ratio-of-sums.ts';
import { student95 } from '../../../gateway/statistics/student.ts';
import { replay } from '../../../gateway/tune/replay.ts';
import type { Trial } from '../../../gateway/tune/trial.ts';
import { randomFrom } from '../decide/setup.ts';

const SIZES = [20, 50, 200];

test("Student's quantile is that of the tables", () => {
  for (const [degrees, quantile] of [
    [5, 2.5706],
    [9, 2.2622],
    [19, 2.093],
    [49, 2.0096],
    [199, 1.972],
  ] as const)
    assert.ok(Math.abs(student95(degrees) - quantile) < 0.005, `${degrees}: ${student95(degrees)}`);
});

/** ln(n!). */
const FACTORIALS = [0];
for (let i = 1; i <= 200; i++) FACTORIALS.push((FACTORIALS[i - 1] ?? 0) + Math.log(i));
const factorial = (n: number) => FACTORIALS[n] ?? 0;

/** Every result of n inputs with its probability (trinomial): no simulation, so no luck. */
function results(n: number, won: number, lost: number): { won: number; lost: number; p: number }[] {
  return Array.from({ length: n + 1 }, (_, b) =>
    Array.from({ length: n + 1 - b }, (_, c) => {
      const even = n - b - c;
      const ways = factorial(n) - factorial(b) - factorial(c) - factorial(even);
      const part = (count: number, share: number) => (count === 0 ? 0 : count * Math.log(share));
      return { won: b, lost: c, p: Math.exp(ways + part(b, won) + part(c, lost) + part(even, 1 - won - lost)) };
    }),
  ).flat();
}

/** How often the interval holds the truth, and its mean width. */
function coverage(n: number, won: number, lost: number): { held: number; width: number } {
  let [held, width] = [0, 0];
  for (const result of results(n, won, lost)) {
    const { low, high } = pairedDifference(result.won, result.lost, n);
    if (low <= won - lost && won - lost <= high) held += result.p;
    width += result.p * (high - low);
  }
  return { held, width };
}

test('the interval of a paired difference holds the truth in at least 94 % of all results', () => {
  const rates = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
  for (const n of SIZES)
    for (const won of rates)
      for (const lost of rates) {
        if (won + lost === 0 || won + lost > 0.9) continue;
        const { held, width } = coverage(n, won, lost);
        const of = `${won} won, ${lost} lost of ${n}`;
        assert.ok(held >= 0.94, `${of}: ${held}`);
        // As wide as the spread of the difference asks for, with three inputs' room.
        const needed = 4 * Math.sqrt((won + lost - (won - lost) ** 2) / n) + 6 / n;
        assert.ok(width < needed, `${of}: ${width}, ${needed} is enough`);
      }
});

test('where nothing differed the interval is not empty, and it stays within what is possible', () => {
  const { low, high } = pairedDifference(0, 0, 50);
  assert.ok(low < -0.04 && high > 0.04 && high < 0.07, `${low} to ${high}`);
  for (const n of [0, 1, 2, 3])
    for (let won = 0; won <= n; won++) {
      const bounds = pairedDifference(won, n - won, n);
      assert.ok(bounds.low >= -1 && bounds.high <= 1 && bounds.low < bounds.high, `${won} of ${n}`);
    }
});

/** Costs of a fast and an accurate tier for one input, and what they are in the mean. */
type Costs = { readonly draw: () => readonly [number, number]; readonly mean: readonly [number, number] };

function costsOf(random: () => number): Record<string, Costs> {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const spread = (sigma: number) => Math.exp(sigma * normal() - sigma ** 2 / 2);
  return {
    'always the same': { draw: () => [1, 10], mean: [1, 10] },
    'of their own': { draw: () => [spread(0.3), 10 * spread(0.5)], mean: [1, 10] },
    'by the length of the input': { draw: () => ((x) => [x, 10 * x] as const)(spread(0.5)), mean: [1, 10] },
    'nearly alike': { draw: () => [5 * spread(0.3), 10 * spread(0.3)], mean: [5, 10] },
  };
}

test('the interval of a cost holds the truth in 94 to 100 % of 1,000 runs, and is no wider than it has to be', () => {
  const random = randomFrom(11);
  for (const [name, { draw, mean }] of Object.entries(costsOf(random)))
    for (const n of SIZES)
      for (const passedOn of [0.01, 0.05, 0.2, 0.5]) {
        const truth = (mean[0] + passedOn * mean[1]) / mean[1];
        let [held, width] = [0, 0];
        for (let run = 0; run < 1000; run++) {
          let [fastest, all] = [0, 0];
          const parts = Array.from({ length: n }, () => {
            const [fast, accurate] = draw();
            fastest += fast;
            all += fast + accurate;
            return { above: fast + (random() < passedOn ? accurate : 0), below: accurate };
          });
          const { low, high } = ratioOfSums(parts, fastest / n, all / n) ?? { low: 0, high: 0 };
          if (low <= truth && truth <= high) held++;
          width += (high - low) / 1000;
        }
        // 94 %, less three standard errors of 1,000 runs.
        assert.ok(held >= 940 - 23, `costs ${name}, ${passedOn} of ${n}: ${held} of 1,000`);
        const needed = (4.5 * Math.sqrt(passedOn * (1 - passedOn) + 0.3 * (passedOn + 0.1))) / Math.sqrt(n) + 3 / n;
        assert.ok(width < needed, `costs ${name}, ${passedOn} of ${n}: ${width}, ${needed} is enough`);
      }
});

test('nothing below is no ratio', () => {
  assert.equal(ratioOfSums([{ above: 1, below: 0 }], 0, 1), undefined);
  assert.equal(ratioOfSums([], 0, 1), undefined);
});

test('what replay says of 50 inputs holds the truth, in 600 replays', () => {
  const random = randomFrom(5);
  const [held, runs] = [{ difference: 0, cost: 0 }, 600];
  for (let run = 0; run < runs; run++) {
    const trials = Array.from({ length: 50 }, (_, i): Trial => {
      // One in ten is passed on; of the others the fast tier is wrong on one in fifty.
      const isUnsure = random() < 0.1;
      const isWrong = isUnsure || random() < 0.02;
      const fast = { answer: isWrong ? 'b' : 'a', confidence: isUnsure ? 0.5 : 0.9, latencyMs: 1, cost: 1 };
      const accurate = { answer: random() < 0.01 ? 'b' : 'a', confidence: 1, latencyMs: 9, cost: 10 };
      return { id: `${i}`, label: 'a', tiers: new Map(Object.entries({ fast, accurate })) };
    });
    const climb = {
      tiers: ['fast', 'accurate'],
      start: 'fast',
      below: new Map([['fast', 0.8]]),
      calibrations: new Map(),
      budget: undefined,
    };
    const { ladders } = replay(['fast', 'accurate'], new Map([['ladder', climb]]), trials, 'labels');
    const holds = (of: { low: number; high: number } | undefined, truth: number) =>
      of !== undefined && of.low < of.high && of.low <= truth && truth <= of.high;
    // Of the inputs that are not passed on, one in fifty is lost against the last tier's one in a hundred.
    if (holds(ladders[0]?.difference, -0.9 * 0.02 + 0.9 * 0.01)) held.difference++;
    if (holds(ladders[0]?.cost, 0.1 + 0.1)) held.cost++;
  }
  assert.ok(held.difference >= 0.94 * runs && held.cost >= 0.93 * runs, JSON.stringify(held));
});

test('the last tier is the measure, and no estimate; and where it is right by definition nothing is better', () => {
  const said = (answer: string) => ({ answer, confidence: 0.9, latencyMs: 1, cost: 2 });
  const trials = Array.from({ length: 50 }, (_, i): Trial => {
    return {
      id: `${i}`,
      tiers: new Map([
        ['fast', said('a')],
        ['accurate', said('a')],
      ]),
    };
  });
  const [fast, accurate] = replay(['fast', 'accurate'], new Map(), trials, 'last tier').singles;
  assert.deepEqual(
    [accurate?.difference, accurate?.cost],
    [
      { is: 0, low: 0, high: 0 },
      { is: 1, low: 1, high: 1 },
    ],
  );
  assert.ok((fast?.difference.low ?? 0) < -0.04 && fast?.difference.high === 0);
});
