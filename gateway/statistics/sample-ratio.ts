/** Units in one arm, and the share that the policy gives it. */
export type ArmCount = { readonly units: number; readonly share: number };

/** The least expected in an arm for the chi-square distribution to describe the counts. */
const MIN_EXPECTED = 8;

/**
 * Whether units fell into arms as the policy says: Pearson's chi-square over the arms with a share, and its p-value. A p
 * below 0.001 is a mismatch: something loses units of one arm. Undefined with fewer than two such arms or too few units.
 */
export function sampleRatio(
  arms: readonly ArmCount[],
): { readonly chiSquare: number; readonly p: number; readonly mismatch: boolean } | undefined {
  const live = arms.filter(({ share }) => share > 0);
  const total = live.reduce((sum, { units }) => sum + units, 0);
  const shares = live.reduce((sum, { share }) => sum + share, 0);
  if (live.length < 2 || live.some(({ share }) => (total * share) / shares < MIN_EXPECTED)) return undefined;
  const chiSquare = live.reduce((sum, { units, share }) => {
    const expected = (total * share) / shares;
    return sum + (units - expected) ** 2 / expected;
  }, 0);
  const p = chiSquareTail(chiSquare, live.length - 1);
  return { chiSquare, p, mismatch: p < 0.001 };
}

/** Probability that chi-square with `df` degrees of freedom exceeds `x`. */
export function chiSquareTail(x: number, df: number): number {
  return x <= 0 ? 1 : upperGamma(df / 2, x / 2);
}

const EPSILON = 1e-15;
const MAX_TERMS = 1000;

/** Regularised upper incomplete gamma, Q(a, x): series below a + 1, else Lentz's continued fraction (Press et al., 6.2). */
function upperGamma(a: number, x: number): number {
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  return x < a + 1 ? 1 - scale * lowerSeries(a, x) : scale * upperFraction(a, x);
}

function lowerSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let n = 1; n < MAX_TERMS && term > sum * EPSILON; n++) {
    term *= x / (a + n);
    sum += term;
  }
  return sum;
}

function upperFraction(a: number, x: number): number {
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < MAX_TERMS; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b || tiny);
    c = b + an / c || tiny;
    h *= d * c;
    if (Math.abs(d * c - 1) < EPSILON) break;
  }
  return h;
}

const LANCZOS = [
  76.18009172947146, -86.50532032941678, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2,
  -0.5395239384953e-5,
];

/** ln gamma(x) for x > 0, to about 2e-10 (Lanczos as in Press et al., 6.1). */
function logGamma(x: number): number {
  const t = x + 5.5;
  const sum = LANCZOS.reduce((series, coefficient, i) => series + coefficient / (x + 1 + i), 1.000000000190015);
  return (x + 0.5) * Math.log(t) - t + Math.log((2.5066282746310007 * sum) / x);
}
