/** Clopper-Pearson's 95 % interval for `hits` of `trials`, as text: `[0 %, 1.8 %]`. */
export function intervalOf(hits: number, trials: number): string {
  const low = hits === 0 ? 0 : solve((p) => 1 - below(hits - 1, trials, p), 0.025);
  const high = hits === trials ? 1 : solve((p) => 1 - below(hits, trials, p), 0.975);
  const text = (p: number) => `${+(100 * p).toPrecision(2)} %`;
  return `[${text(low)}, ${text(high)}]`;
}

/** The p at which a function that rises from 0 to 1 reaches a value. */
function solve(rising: (p: number) => number, value: number): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (rising(middle) < value) low = middle;
    else high = middle;
  }
  return low;
}

/** Probability of at most `hits` of `trials`. */
function below(hits: number, trials: number, p: number): number {
  let [term, sum] = [trials * Math.log1p(-p), 0];
  for (let i = 0; i <= hits; i++) {
    sum += Math.exp(term);
    term += Math.log(((trials - i) / (i + 1)) * (p / (1 - p)));
  }
  return sum;
}
