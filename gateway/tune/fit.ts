// Calibration, fitted: temperature (Guo et al., ICML 2017) and Platt's two parameters (Platt 1999) on the log-odds of the
// confidence, and isotonic regression by pool-adjacent-violators (Zadrozny and Elkan, KDD 2002).
import { calibrated, logOdds } from '../decide/calibrate.ts';
import type { CalibrationMethod } from '../policy/escalation.ts';

/** How sure a tier was, and whether it was right. */
export type Claim = { readonly confidence: number; readonly isRight: boolean };

/** With fewer claims nothing is fitted, and with fewer than the second number no isotonic curve. */
export const LEAST_CLAIMS = 100;
export const LEAST_FOR_ISOTONIC = 1000;

const STEPS = 100;
/** Keeps the parameters finite when claims separate right from wrong perfectly: a prior of this weight at "as claimed". */
const RIDGE = 1e-3;
const FOLDS = 5;

export type Kind = CalibrationMethod['kind'];

/** Fits one method; undefined when more confidence does not go with being right more often. */
export function fit(kind: Kind, claims: readonly Claim[]): CalibrationMethod | undefined {
  if (kind === 'isotonic') return isotonic(claims);
  const { a, b } = logisticFit(claims, kind === 'platt');
  if (!(a > 0)) return undefined;
  return kind === 'platt' ? { kind, a: rounded(a), b: rounded(b) } : { kind, temperature: rounded(1 / a) };
}

/**
 * The method with the least log loss in five-fold cross-validation, fitted on all claims; undefined when the claims are too
 * few, or as good as they are.
 */
export function bestFit(claims: readonly Claim[]): CalibrationMethod | undefined {
  if (claims.length < LEAST_CLAIMS) return undefined;
  const kinds: Kind[] = ['temperature', 'platt', ...(claims.length < LEAST_FOR_ISOTONIC ? [] : ['isotonic' as const])];
  let best: { loss: number; kind: Kind | undefined } = { loss: logLoss(claims, undefined), kind: undefined };
  for (const kind of kinds) {
    const loss = crossValidated(kind, claims);
    if (loss < best.loss) best = { loss, kind };
  }
  return best.kind && fit(best.kind, claims);
}

/** Mean of -ln of the probability given to what came true. */
export function logLoss(claims: readonly Claim[], method: CalibrationMethod | undefined): number {
  let sum = 0;
  for (const { confidence, isRight } of claims) {
    const p = Math.min(1 - 1e-6, Math.max(1e-6, method === undefined ? confidence : calibrated(method, confidence)));
    sum -= Math.log(isRight ? p : 1 - p);
  }
  return sum / Math.max(1, claims.length);
}

function crossValidated(kind: Kind, claims: readonly Claim[]): number {
  let sum = 0;
  for (let fold = 0; fold < FOLDS; fold++) {
    const method = fit(
      kind,
      claims.filter((_, i) => i % FOLDS !== fold),
    );
    const held = claims.filter((_, i) => i % FOLDS === fold);
    sum += logLoss(held, method) * held.length;
  }
  return sum / claims.length;
}

/** Newton's method on the log loss of 1 / (1 + e^-(a x + b)); b stays 0 unless it is wanted. */
function logisticFit(claims: readonly Claim[], withOffset: boolean): { readonly a: number; readonly b: number } {
  let [a, b] = [1, 0];
  for (let step = 0; step < STEPS; step++) {
    let [ga, gb, haa, hab, hbb] = [RIDGE * (a - 1), RIDGE * b, RIDGE, 0, RIDGE];
    for (const { confidence, isRight } of claims) {
      const x = logOdds(confidence);
      const p = 1 / (1 + Math.exp(-(a * x + b)));
      const error = p - Number(isRight);
      const weight = Math.max(p * (1 - p), 1e-12);
      ga += error * x;
      gb += error;
      haa += weight * x * x;
      hab += weight * x;
      hbb += weight;
    }
    const determinant = haa * hbb - hab * hab;
    const [da, db] = withOffset
      ? [(hbb * ga - hab * gb) / determinant, (haa * gb - hab * ga) / determinant]
      : [ga / haa, 0];
    // A step that is too long overshoots where the curve is flat.
    const scale = Math.min(1, 2 / Math.max(Math.abs(da), Math.abs(db), 1e-300));
    a -= scale * da;
    b -= scale * db;
    if (Math.abs(da) + Math.abs(db) < 1e-10) break;
  }
  return { a, b };
}

type Pool = { sum: number; right: number; count: number };

function isotonic(claims: readonly Claim[]): CalibrationMethod | undefined {
  const sorted = [...claims].sort((one, other) => one.confidence - other.confidence);
  const pools: Pool[] = [];
  for (const { confidence, isRight } of sorted) {
    let pool: Pool = { sum: confidence, right: Number(isRight), count: 1 };
    for (let last = pools.at(-1); last !== undefined; last = pools.at(-1)) {
      if (last.right * pool.count < pool.right * last.count && last.sum / last.count < pool.sum / pool.count) break;
      pool = { sum: pool.sum + last.sum, right: pool.right + last.right, count: pool.count + last.count };
      pools.pop();
    }
    pools.push(pool);
  }
  if (pools.length < 2) return undefined;
  // Never quite 0 or 1: no number of claims proves that, and the curve stays strictly increasing.
  const edge = 1 / (2 * (claims.length + 1));
  const points = pools.map(
    ({ sum, right, count }) =>
      [rounded(sum / count), rounded(Math.min(1 - edge, Math.max(edge, right / count)))] as const,
  );
  return { kind: 'isotonic', points: strictly(points) };
}

/** Without points that rounding has made equal to the one before, or to an end. */
function strictly(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const kept: (readonly [number, number])[] = [];
  for (const [x, y] of points) {
    const [x0, y0] = kept.at(-1) ?? [0, 0];
    if (x > x0 && y > y0 && x < 1 && y < 1) kept.push([x, y]);
  }
  return kept;
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
