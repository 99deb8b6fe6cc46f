// Exact statements about k hits in n tries.

/** P(X <= k) for X ~ Bin(n, p). Exact to nine digits. */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k < 0) return 0;
  if (k >= n || p <= 0) return 1;
  if (p >= 1) return 0;
  // Terms relative to the largest of those summed, so that nothing underflows; past it they only shrink.
  const top = Math.min(k, Math.floor((n + 1) * p));
  let sum = 1;
  for (let i = top, term = 1; i > 0 && term > 1e-18; i--) {
    term *= (i * (1 - p)) / ((n - i + 1) * p);
    sum += term;
  }
  for (let i = top, term = 1; i < k && term > 1e-18; i++) {
    term *= ((n - i) * p) / ((i + 1) * (1 - p));
    sum += term;
  }
  return Math.min(1, Math.exp(logTerm(top, n, p)) * sum);
}

/** The largest p with P(X <= k) >= 1 - confidence: Clopper and Pearson's one-sided upper limit (Biometrika 1934). */
export function upperLimit(k: number, n: number, confidence = 0.95): number {
  if (n === 0 || k >= n) return 1;
  let [low, high] = [k / n, 1];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (binomialCdf(k, n, middle) > 1 - confidence) low = middle;
    else high = middle;
  }
  return high;
}

function logTerm(k: number, n: number, p: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k) + k * Math.log(p) + (n - k) * Math.log1p(-p);
}

/** ln n!: summed when small, else Stirling's series, whose error here is below 1e-15. */
function logFactorial(n: number): number {
  if (n < 32) {
    let sum = 0;
    for (let i = 2; i <= n; i++) sum += Math.log(i);
    return sum;
  }
  const x = n + 1;
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5) - 1 / (1680 * x ** 7);
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}
