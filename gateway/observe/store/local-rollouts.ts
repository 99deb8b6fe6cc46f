// What one gateway knows about rollouts, kept on its own disk: the truth where there is no shared store, and where there is
// one, what that may never make it forget.
import { UserError } from '../../errors.ts';
import { Damages } from './damage.ts';
import { readDataFile } from './data-files.ts';
import { replaceFile } from './durable-file.ts';
import type { Reader } from './foreign.ts';
import { type Kept, readRollouts } from './rollouts-file.ts';
import type { Advance, KnownRollouts, RolloutDocument, RolloutStates } from './store.ts';
import { takingTurns } from './turns.ts';

/**
 * Rollout states in a file, or in memory when there is none. What is known holds at once; `pending` says what the file does not have
 * yet, and every `refresh` writes it again until the file has it.
 */
export class LocalRollouts implements RolloutStates {
  readonly #file: string | undefined;
  readonly #inTurn = takingTurns();
  #documents: ReadonlyMap<string, RolloutDocument> = new Map();
  #rolledBack: ReadonlySet<string> = new Set();
  /** Rolled-back ids that the file has. */
  #onDisk: ReadonlySet<string> = new Set();
  /** Grows with everything that becomes known; `#savedVersion` is the one that the file has. */
  #version = 0;
  #savedVersion = 0;
  #trouble: string | undefined;
  readonly #damages: Damages;

  constructor(file: string | undefined, damages = new Damages(() => {})) {
    this.#file = file;
    this.#damages = damages;
  }

  /**
   * Reads the file. Of a damaged one what is good holds, and the rollouts of the policy, `ids`, whose record is lost are held on their
   * baselines. Rejects with UserError when the system does not let us read it, and for a damaged one when there are no ids: starting
   * without it could undo a rollback.
   */
  async open(ids?: readonly string[]): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    const problems: string[] = [];
    const read: Reader<Kept> = (value, say, text) => {
      const note = (problem: string) => {
        problems.push(problem);
        say(problem);
      };
      if (value === undefined) problems.push('it is no JSON');
      return readRollouts(value, note, text, ids ?? []);
    };
    const kept = await readDataFile(file, read, this.#damages);
    if (kept === undefined) return;
    if (problems.length > 0 && ids === undefined) throw new UserError(`${file} is damaged: ${problems[0]}`, 1);
    this.#documents = new Map(kept.documents.map((document) => [document.id, document]));
    this.#rolledBack = new Set(kept.rolledBack);
    this.#onDisk = this.#rolledBack;
    if (problems.length > 0) this.#version++; // the next refresh writes it anew
  }

  known(): KnownRollouts {
    const pending = { disk: without(this.#rolledBack, this.#onDisk), store: NONE };
    return { documents: this.#documents, rolledBack: this.#rolledBack, wasRead: true, wentBack: [], pending };
  }

  /** Why the last write failed; undefined while all is well. */
  trouble(): string | undefined {
    return this.#trouble;
  }

  /** Writes what the file does not have yet. Rejects when the disk fails. */
  async refresh(): Promise<KnownRollouts> {
    await this.#inTurn(() => this.#save());
    return this.known();
  }

  advance(document: RolloutDocument, expectedEpoch: number): Promise<Advance> {
    return this.#inTurn(async () => {
      const current = this.#documents.get(document.id);
      const rolledBack = this.#rolledBack.has(document.id);
      if (rolledBack || (current?.epoch ?? 0) !== expectedEpoch || document.epoch <= expectedEpoch)
        return { kind: 'conflict', current, rolledBack };
      await this.#write(new Map([...this.#documents, [document.id, document]]));
      this.#documents = new Map([...this.#documents, ...this.#higher([document])]);
      return { kind: 'written' };
    });
  }

  keep(document: RolloutDocument): Promise<void> {
    return this.adopt([], [document]);
  }

  async rollBack(id: string, document?: RolloutDocument): Promise<{ readonly shared: boolean }> {
    await this.adopt([id], document === undefined ? [] : [document]);
    return { shared: true };
  }

  /** There is nobody else. */
  onHint(): void {}

  /**
   * Takes over rolled-back ids, and documents of a higher epoch. They hold when this returns, also where the disk is full or
   * hangs; they are durable when it resolves. Rejects when the disk fails.
   */
  adopt(rolledBack: Iterable<string>, documents: Iterable<RolloutDocument>): Promise<void> {
    const union = new Set([...this.#rolledBack, ...rolledBack]);
    const higher = this.#higher(documents);
    if (union.size > this.#rolledBack.size || higher.length > 0) {
      this.#rolledBack = union;
      this.#documents = new Map([...this.#documents, ...higher]);
      this.#version++;
    }
    return this.#inTurn(() => this.#save());
  }

  #higher(documents: Iterable<RolloutDocument>): (readonly [string, RolloutDocument])[] {
    const isHigher = ({ id, epoch }: RolloutDocument) => epoch > (this.#documents.get(id)?.epoch ?? 0);
    return [...documents].filter(isHigher).map((document) => [document.id, document]);
  }

  async #save(): Promise<void> {
    if (this.#savedVersion !== this.#version) await this.#write(this.#documents);
  }

  async #write(documents: ReadonlyMap<string, RolloutDocument>): Promise<void> {
    const [version, rolledBack] = [this.#version, this.#rolledBack];
    const kept: Kept = { documents: [...documents.values()], rolledBack: [...rolledBack] };
    try {
      if (this.#file !== undefined) await replaceFile(this.#file, `${JSON.stringify(kept, null, 1)}\n`);
    } catch (error) {
      this.#savedVersion = -1; // the file may have the old text or the new one
      this.#trouble = `the disk does not take ${this.#file}: ${(error as Error).message}`;
      throw error;
    }
    [this.#savedVersion, this.#onDisk, this.#trouble] = [version, rolledBack, undefined];
  }
}

const NONE: ReadonlySet<string> = new Set();

/** The ids of one set that the other lacks. */
export function without(ids: ReadonlySet<string>, known: ReadonlySet<string>): ReadonlySet<string> {
  return ids === known ? NONE : new Set([...ids].filter((id) => !known.has(id)));
}
