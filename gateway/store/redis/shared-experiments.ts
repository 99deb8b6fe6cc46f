import { encode, type Sums } from '../../statistics/sums.ts';
import type { Damages } from '../damage.ts';
import type { Say } from '../foreign.ts';
import type { ExperimentCounts, ExperimentReading } from '../store.ts';
import { hashOfUnit, SAMPLE_SIZE, UnitSample } from '../unit-sample.ts';
import type { Connections } from './connections.ts';
import { numberIn, partsIn, readHash } from './foreign-keys.ts';
import type { RedisKeys } from './keys.ts';
import type { Writer } from './writer.ts';

/** Members of one command, when a whole sample is told again. */
const MEMBERS_AT_ONCE = 500;

export type SharedExperimentsOptions = {
  readonly connections: Connections;
  readonly keys: RedisKeys;
  readonly writer: Writer;
  readonly damages: Damages;
  readonly keepMs: number;
};

/**
 * Experiments of every replica. The units with the smallest hashes lie in a sorted set, which adding one again does not
 * change; each replica holds the same sample of its own units, so that it tells each only once.
 */
export class SharedExperiments implements ExperimentCounts {
  readonly #options: SharedExperimentsOptions;
  readonly #samples = new Map<string, UnitSample>();

  constructor(options: SharedExperimentsOptions) {
    this.#options = options;
  }

  expose(experiment: string, arm: string, unit: string): void {
    const hash = hashOfUnit(experiment, unit);
    if (this.#sampleOf(experiment).add(hash, arm)) this.#tell(experiment, [[hash, arm]]);
  }

  add(experiment: string, arm: string, sums: Sums): void {
    const { writer, keys, keepMs } = this.#options;
    for (const [name, by] of sums)
      writer.increment(keys.arms(experiment), `${encode(arm)}/${encode(name)}`, by, keepMs);
  }

  async read(experiment: string): Promise<ExperimentReading> {
    const { connections, keys, damages } = this.#options;
    const [members, hash] = await connections.use('experiments_read', (client) =>
      Promise.all([client.zrange(keys.units(experiment), '0', '-1'), readHash(client, keys.arms(experiment), damages)]),
    );
    const sample = new UnitSample();
    const problems: string[] = [];
    const say = (problem: string) => problems.push(problem);
    for (const member of members) {
      const [arm, hashed] = partsIn(member, 2, say) ?? [];
      const number = hashed === undefined ? undefined : numberIn(hashed, 0, say);
      if (arm !== undefined && number !== undefined) sample.add(number, arm);
    }
    const sums = sumsIn(hash, say);
    damages.saw(keys.arms(experiment), problems);
    return { ...sample.counts(), sums };
  }

  /** Tells all of it again, to a Redis that may have lost it. */
  republish(): void {
    for (const [experiment, sample] of this.#samples) {
      const entries = [...sample.entries()];
      for (let i = 0; i < entries.length; i += MEMBERS_AT_ONCE)
        this.#tell(experiment, entries.slice(i, i + MEMBERS_AT_ONCE));
    }
  }

  #tell(experiment: string, entries: readonly (readonly [number, string])[]): void {
    const { writer, keys, keepMs } = this.#options;
    const key = keys.units(experiment);
    for (const [hash, arm] of entries) writer.push(['ZADD', key, String(hash)], `${encode(arm)}/${hash}`, 0);
    // A little more than the sample: a unit that saw two arms has two members.
    writer.push(['ZREMRANGEBYRANK', key, String(Math.ceil(SAMPLE_SIZE * 1.25))], '-1', 0);
    writer.push(['PEXPIRE', key], String(keepMs), 0);
  }

  #sampleOf(experiment: string): UnitSample {
    const known = this.#samples.get(experiment);
    if (known !== undefined) return known;
    const begun = new UnitSample();
    this.#samples.set(experiment, begun);
    return begun;
  }
}

function sumsIn(hash: Readonly<Record<string, string>>, say: Say): Map<string, Map<string, number>> {
  const sums = new Map<string, Map<string, number>>();
  for (const [field, text] of Object.entries(hash)) {
    const [arm, name] = partsIn(field, 2, say) ?? [];
    const value = numberIn(text, Number.NEGATIVE_INFINITY, say);
    if (arm === undefined || name === undefined || value === undefined) continue;
    const total = sums.get(arm) ?? new Map<string, number>();
    sums.set(arm, total.set(name, value));
  }
  return sums;
}
