import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { calibrated, logistic, logOdds } from '../../../gateway/decide/calibrate.ts';
import { bestFit, type Claim, fit, logLoss } from '../../../gateway/tune/fit.ts';
import { reliabilityOf } from '../../../gateway/tune/reliability.ts';
import { seeded } from '../../../model-server/training/random.ts';

/** Claims of a model that is right as often as `truth` says of what it claims. */
function claims(count: number, truth: (confidence: number) => number, seed = 1): Claim[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => {
    const confidence = 0.3 + 0.7 * random() ** 0.5;
    return { confidence, isRight: random() < truth(confidence) };
  });
}

test('the temperature of an overconfident model is found again', () => {
  const method = fit(
    'temperature',
    claims(20_000, (c) => logistic(logOdds(c) / 2)),
  );
  assert.equal(method?.kind, 'temperature');
  assert.ok(method.kind === 'temperature' && Math.abs(method.temperature - 2) < 0.1, JSON.stringify(method));
});

test("so are Platt's two parameters", () => {
  const method = fit(
    'platt',
    claims(40_000, (c) => logistic(0.6 * logOdds(c) - 0.4)),
  );
  assert.ok(method?.kind === 'platt');
  assert.ok(Math.abs(method.a - 0.6) < 0.05 && Math.abs(method.b + 0.4) < 0.08, JSON.stringify(method));
});

test('isotonic regression follows any rising curve, and the calibration error falls', () => {
  const [fitted, fresh] = [claims(20_000, (c) => c ** 4), claims(20_000, (c) => c ** 4, 2)];
  const method = fit('isotonic', fitted);
  assert.ok(method !== undefined);
  const before = reliabilityOf(fresh);
  const after = reliabilityOf(
    fresh.map(({ confidence, isRight }) => ({ confidence: calibrated(method, confidence), isRight })),
  );
  assert.ok(before.ece > 0.2 && after.ece < 0.02, `${before.ece} -> ${after.ece}`);
  assert.ok(after.brier < before.brier);
});

test('every calibration rises strictly, so that thresholds can be moved through it', () => {
  const methods = [
    fit(
      'temperature',
      claims(500, (c) => c * 0.8),
    ),
    fit(
      'platt',
      claims(500, (c) => c * 0.8),
    ),
    fit(
      'isotonic',
      claims(1500, (c) => (c > 0.7 ? 0.9 : 0.4)),
    ),
  ];
  const between = fc.double({ min: 0.001, max: 0.999, noNaN: true });
  for (const method of methods) {
    assert.ok(method !== undefined);
    fc.assert(
      fc.property(between, between, (x, y) => {
        fc.pre(Math.abs(x - y) > 1e-6);
        assert.equal(calibrated(method, x) < calibrated(method, y), x < y, method.kind);
      }),
      { numRuns: 2000, seed: 1 },
    );
    assert.ok(calibrated(method, 0) < 0.05 && calibrated(method, 1) > 0.95);
  }
});

test('the best method is chosen by what it predicts; good claims and few claims are left alone', () => {
  assert.equal(bestFit(claims(99, (c) => c / 2)), undefined);
  assert.equal(bestFit(claims(5000, (c) => logistic(logOdds(c) / 3)))?.kind, 'temperature');
  assert.equal(bestFit(claims(5000, (c) => (c > 0.8 ? 0.95 : 0.2)))?.kind, 'isotonic');
  const honest = claims(5000, (c) => c);
  const method = bestFit(honest);
  assert.ok(method === undefined || logLoss(honest, undefined) - logLoss(honest, method) < 0.002);
});

test('claims that say nothing, or the contrary, are not calibrated', () => {
  assert.equal(
    fit(
      'platt',
      claims(5000, (c) => 1 - c),
    ),
    undefined,
  );
  assert.equal(
    fit(
      'temperature',
      claims(5000, (c) => 1 - c),
    ),
    undefined,
  );
});

test('the calibration error is that of a hand-made table', () => {
  const { ece, brier, bins } = reliabilityOf([
    { confidence: 0.95, isRight: true },
    { confidence: 0.95, isRight: false },
    { confidence: 0.5, isRight: true },
    { confidence: 1, isRight: true },
  ]);
  // Bin [14/15, 1] holds three claims: mean 0.9667, right 2/3; bin [7/15, 8/15] one: 0.5, right 1.
  assert.ok(Math.abs(ece - (3 * (0.9666666 - 0.6666666) + 0.5) / 4) < 1e-6);
  assert.ok(Math.abs(brier - (0.05 ** 2 + 0.95 ** 2 + 0.25) / 4) < 1e-12);
  assert.deepEqual(
    bins.map(({ count }) => count),
    [1, 3],
  );
});
