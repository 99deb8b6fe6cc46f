// Random numbers from a seed, and the draws that the simulation of traffic is made of.

/** A generator of numbers in [0, 1). */
export type Random = () => number;

/** sfc32, whose period no simulation reaches. Streams of one seed have nothing to do with each other. */
export function randomFrom(seed: number, stream = 0): Random {
  let [a, b, c, counter] = [seed | 0, stream | 0, 0x9e3779b9 | 0, 1];
  const draw = () => {
    const drawn = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + drawn) | 0;
    return (drawn >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 16; i++) draw();
  return draw;
}

/** A whole number from 0 to `below` - 1. */
export function wholeBelow(below: number, random: Random): number {
  return Math.floor(random() * below);
}

/** How many events happen where `mean` are expected. */
export function poisson(mean: number, random: Random): number {
  if (!(mean > 0)) return 0;
  if (mean > 30) return manyEvents(mean, random);
  const limit = Math.exp(-mean);
  let events = -1;
  for (let product = 1; product > limit; product *= random()) events++;
  return events;
}

/** Hörmann's transformed rejection (PTRS), which costs the same at any mean above 10. */
function manyEvents(mean: number, random: Random): number {
  const b = 0.931 + 2.53 * Math.sqrt(mean);
  const a = -0.059 + 0.02483 * b;
  const sure = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = random() - 0.5;
    const v = random();
    const edge = 0.5 - Math.abs(u);
    const events = Math.floor(((2 * a) / edge + b) * u + mean + 0.43);
    if (edge >= 0.07 && v <= sure) return events;
    if (events < 0 || (edge < 0.013 && v > edge)) continue;
    const height = (v * (1.1239 + 1.1328 / (b - 3.4))) / (a / edge ** 2 + b);
    if (Math.log(height) <= events * Math.log(mean) - mean - logFactorial(events)) return events;
  }
}

function logFactorial(n: number): number {
  if (n < 2) return 0;
  const x = n + 1;
  return (x - 0.5) * Math.log(x) - x + 0.918938533204673 + 1 / (12 * x) - 1 / (360 * x ** 3);
}

/** Trials up to and with the first that goes well, `mean` of them on average. */
export function geometric(mean: number, random: Random): number {
  return mean <= 1 ? 1 : 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - 1 / mean));
}

export function exponential(mean: number, random: Random): number {
  return -mean * Math.log(1 - random());
}

export function normal(random: Random): number {
  return probit(random() + 2 ** -33);
}

/** The probability that a normal number is above `z` (Abramowitz and Stegun 26.2.17, to 1e-7). */
export function tailOf(z: number): number {
  if (z < 0) return 1 - tailOf(-z);
  if (z > 8) return 0;
  const t = 1 / (1 + 0.2316419 * z);
  const sum = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * sum;
}

/** The number that a normal one is below with probability `p` (Acklam, to 1e-9). */
export function probit(p: number): number {
  if (p > 0.5) return -probit(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    const above =
      ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q +
        4.374664141464968) *
        q +
      2.938163982698783;
    return (
      above /
      ((((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1)
    );
  }
  const q = p - 0.5;
  const r = q * q;
  const above =
    ((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
    2.506628277459239;
  const below =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
    1;
  return (q * above) / below;
}

/** Draws indices in proportion to weights, at the same cost for any number of them (Walker's alias method). */
export class Weighted {
  readonly #keep: Float64Array;
  readonly #alias: Int32Array;

  constructor(weights: ArrayLike<number>) {
    const size = weights.length;
    const sum = Array.from(weights).reduce((total, weight) => total + weight, 0);
    const scaled = Array.from(weights, (weight) => (sum > 0 ? (weight * size) / sum : 1));
    this.#keep = new Float64Array(size).fill(1);
    this.#alias = Int32Array.from(scaled, (_, i) => i);
    const small = [...scaled.keys()].filter((i) => (scaled[i] ?? 0) < 1);
    const large = [...scaled.keys()].filter((i) => (scaled[i] ?? 0) >= 1);
    for (let low = small.pop(); low !== undefined; low = small.pop()) {
      const high = large.pop();
      if (high === undefined) break;
      this.#keep[low] = scaled[low] ?? 0;
      this.#alias[low] = high;
      scaled[high] = (scaled[high] ?? 0) + (scaled[low] ?? 0) - 1;
      ((scaled[high] ?? 0) < 1 ? small : large).push(high);
    }
  }

  draw(random: Random): number {
    const at = random() * this.#keep.length;
    const index = Math.floor(at);
    return at - index < (this.#keep[index] ?? 1) ? index : (this.#alias[index] ?? index);
  }
}
