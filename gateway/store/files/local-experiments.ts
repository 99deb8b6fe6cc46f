import { readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder } from '../../policy/make-folder.ts';
import { addAll, type Sums } from '../../statistics/sums.ts';
import { Damages } from '../damage.ts';
import { entriesIn, isObject, listIn, type Say, shaped } from '../foreign.ts';
import type { ExperimentCounts, ExperimentReading } from '../store.ts';
import { hashOfUnit, UnitSample } from '../unit-sample.ts';
import { readDataFile } from './data-files.ts';

const SNAPSHOT_MS = 10_000;
/** Experiments that are counted at one time; a policy has a handful. */
const MAX_EXPERIMENTS = 1000;

type Experiment = { readonly sample: UnitSample; readonly sums: Map<string, Map<string, number>>; isDirty: boolean };

type ExperimentFile = {
  readonly experiment: string;
  readonly units: readonly (readonly [hash: number, arm: string])[];
  readonly sums: Readonly<Record<string, Readonly<Record<string, number>>>>;
};

const NAME = z.string().min(1);
const UNIT = z.tuple([z.int().min(0), NAME]);
const SUMS = z.record(z.string(), z.number());

/** Experiments of one gateway by itself, in memory and every 10 s in a file each: a crash costs what came since. */
export class LocalExperiments implements ExperimentCounts {
  readonly #folder: string | undefined;
  readonly #experiments = new Map<string, Experiment>();
  readonly #onTrouble: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;

  readonly #damages: Damages;

  constructor(folder: string | undefined, onTrouble: (error: Error) => void, damages = new Damages(onTrouble)) {
    this.#folder = folder;
    this.#damages = damages;
    this.#onTrouble = onTrouble;
  }

  async open(): Promise<void> {
    if (this.#folder === undefined) return;
    await makeFolder(this.#folder, 0o700);
    for (const name of (await readdir(this.#folder)).filter((name) => name.endsWith('.json'))) {
      const path = join(this.#folder, name);
      const file = await readDataFile(path, readExperiment, this.#damages).catch((error: Error) =>
        this.#damages.note(path, [error.message]),
      );
      if (file !== undefined) this.#restore(file);
    }
    this.#timer = setInterval(() => void this.snapshot().catch(this.#onTrouble), SNAPSHOT_MS).unref();
  }

  expose(experiment: string, arm: string, unit: string): void {
    const found = this.#get(experiment);
    if (found?.sample.add(hashOfUnit(experiment, unit), arm)) found.isDirty = true;
  }

  add(experiment: string, arm: string, sums: Sums): void {
    const found = this.#get(experiment);
    if (found === undefined) return;
    const total = found.sums.get(arm) ?? new Map<string, number>();
    found.sums.set(arm, total);
    addAll(total, sums);
    found.isDirty = true;
  }

  async read(experiment: string): Promise<ExperimentReading> {
    const { sample, sums } = this.#experiments.get(experiment) ?? empty();
    return { ...sample.counts(), sums };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.snapshot().catch(this.#onTrouble);
  }

  /** Writes what changed. */
  async snapshot(): Promise<void> {
    if (this.#folder === undefined) return;
    for (const [experiment, found] of this.#experiments) {
      if (!found.isDirty) continue;
      found.isDirty = false;
      const sums = Object.fromEntries([...found.sums].map(([arm, total]) => [arm, Object.fromEntries(total)]));
      const text = JSON.stringify({ experiment, units: [...found.sample.entries()], sums } satisfies ExperimentFile);
      const file = join(this.#folder, `${encodeURIComponent(experiment)}.json`);
      try {
        await writeFile(`${file}.tmp`, text, { mode: 0o600 });
        await rename(`${file}.tmp`, file);
      } catch (error) {
        found.isDirty = true;
        throw error;
      }
    }
  }

  #get(experiment: string): Experiment | undefined {
    const known = this.#experiments.get(experiment);
    if (known !== undefined || this.#experiments.size >= MAX_EXPERIMENTS) return known;
    const begun = empty();
    this.#experiments.set(experiment, begun);
    return begun;
  }

  #restore({ experiment, units, sums }: ExperimentFile): void {
    const found = this.#get(experiment);
    if (found === undefined) return;
    for (const [hash, arm] of units) found.sample.add(hash, arm);
    for (const [arm, total] of Object.entries(sums)) found.sums.set(arm, new Map(Object.entries(total)));
  }
}

function empty(): Experiment {
  return { sample: new UnitSample(), sums: new Map(), isDirty: false };
}

/** Undefined when the name of the experiment cannot be read. */
function readExperiment(value: unknown, say: Say): ExperimentFile | undefined {
  if (value === undefined) return undefined;
  const file = isObject(value) ? value : {};
  const experiment = shaped(NAME, file.experiment, 'experiment', say);
  if (experiment === undefined) return undefined;
  const units = listIn(UNIT, file.units, 'units', say);
  return { experiment, units, sums: Object.fromEntries(entriesIn(SUMS, file.sums, 'sums', say)) };
}
