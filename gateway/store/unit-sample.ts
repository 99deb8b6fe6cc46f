// Distinct units by arm, from the smallest hashes. A sketch that only counts (HyperLogLog) is 0.8 % off, which a
// sample-ratio check would take for a mismatch as soon as there are tens of thousands of units; the units with the smallest
// hashes are a uniform sample of all units, whose arms can be counted exactly (bottom-k; Cohen and Kaplan 2007).
import { createHash } from 'node:crypto';

/** Units that are kept one by one. */
export const SAMPLE_SIZE = 32_768;

/** Hashes are whole numbers below this. */
const HASHES = 2 ** 52;

/** The hash of a unit in an experiment: the first 52 bits of a SHA-256. */
export function hashOfUnit(experiment: string, unit: string): number {
  const digest = createHash('sha256').update(`units:${experiment}\0${unit}`).digest();
  return digest.readUInt32BE(0) * 2 ** 20 + (digest.readUInt32BE(4) >>> 12);
}

/** What a sample tells. */
export type UnitCounts = {
  readonly units: ReadonlyMap<string, number>;
  readonly sampled: ReadonlyMap<string, number>;
  readonly crossed: number;
};

/** The units with the smallest hashes, and the arms that each of them saw. */
export class UnitSample {
  readonly #size: number;
  readonly #arms = new Map<number, readonly string[]>();
  /** Hashes from here on are outside. */
  #bound = HASHES;

  constructor(size = SAMPLE_SIZE) {
    this.#size = size;
  }

  /** Takes a unit that saw an arm; whether that was news. */
  add(hash: number, arm: string): boolean {
    if (hash >= this.#bound) return false;
    const arms = this.#arms.get(hash);
    if (arms?.includes(arm)) return false;
    this.#arms.set(hash, arms === undefined ? [arm] : [...arms, arm]);
    if (this.#arms.size > this.#size * 1.25) this.#prune();
    return true;
  }

  counts(): UnitCounts {
    if (this.#arms.size > this.#size) this.#prune();
    const sampled = new Map<string, number>();
    let crossed = 0;
    for (const arms of this.#arms.values()) {
      if (arms.length > 1) crossed++;
      for (const arm of arms) sampled.set(arm, (sampled.get(arm) ?? 0) + 1);
    }
    const scale = this.#scale();
    return { units: new Map([...sampled].map(([arm, n]) => [arm, Math.round(n * scale)])), sampled, crossed };
  }

  /** Every hash with an arm that it saw, for keeping and for telling others. */
  *entries(): Generator<readonly [hash: number, arm: string]> {
    for (const [hash, arms] of this.#arms) for (const arm of arms) yield [hash, arm];
  }

  /** How many units there are for each one in the sample: the largest hash in a full sample tells how dense they lie. */
  #scale(): number {
    if (this.#bound === HASHES) return 1;
    const largest = this.#bound - 1;
    return (((this.#size - 1) / largest) * HASHES) / this.#size;
  }

  #prune(): void {
    const hashes = Float64Array.from(this.#arms.keys()).sort();
    this.#bound = (hashes[this.#size - 1] ?? HASHES) + 1;
    for (const hash of hashes.subarray(this.#size)) this.#arms.delete(hash);
  }
}
