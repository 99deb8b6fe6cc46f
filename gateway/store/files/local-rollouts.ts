// What one gateway knows about rollouts, kept on its own disk: the truth where there is no shared store, and where there is
// one, what that may never make it forget.
import { UserError } from '../../errors.ts';
import { Damages } from '../damage.ts';
import type { Reader } from '../foreign.ts';
import type { Advance, KnownRollouts, RolloutDocument, RolloutStates } from '../store.ts';
import { readDataFile } from './data-files.ts';
import { KeptFile } from './kept-file.ts';
import { type Kept, readRollouts } from './rollouts-file.ts';

type Known = {
  readonly documents: ReadonlyMap<string, RolloutDocument>;
  readonly rolledBack: ReadonlySet<string>;
};

/**
 * Rollout states in a file, or in memory when there is none. What is known holds at once; `pending` says what the file does not have
 * yet, and every `refresh` writes it again until the file has it.
 */
export class LocalRollouts implements RolloutStates {
  readonly #kept: KeptFile<Known>;
  readonly #damages: Damages;
  #known: Known = { documents: new Map(), rolledBack: new Set() };

  constructor(file: string | undefined, damages = new Damages(() => {})) {
    this.#kept = new KeptFile(file, this.#known, keptOf);
    this.#damages = damages;
  }

  /**
   * Reads the file. Of a damaged one what is good holds, and the rollouts of the policy, `ids`, whose record is lost are held on
   * their baselines. Of a damaged and of a missing one the rollbacks that are `recorded` elsewhere hold too. Rejects with UserError when the system does not let us read it, and for a damaged one when there are no ids: starting
   * without it could undo a rollback.
   */
  async open(ids?: readonly string[], recorded: () => Promise<readonly string[]> = async () => []): Promise<void> {
    const { file } = this.#kept;
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
    const onRecord = kept === undefined || problems.length > 0 ? await recorded() : [];
    if (kept === undefined) return void this.#replaceMissing(file, onRecord);
    if (problems.length > 0 && ids === undefined) throw new UserError(`${file} is damaged: ${problems[0]}`, 1);
    const documents = new Map(kept.documents.map((document) => [document.id, document]));
    this.#known = { documents, rolledBack: new Set([...kept.rolledBack, ...onRecord]) };
    this.#kept.found(this.#known, problems.length === 0); // the next refresh writes a damaged one anew
  }

  /** There is no file, as at the first start; but where rollbacks are on record there was one. */
  #replaceMissing(file: string, onRecord: readonly string[]): void {
    if (onRecord.length === 0) return;
    this.#damages.note(file, ['it is missing, and audit.jsonl has rollbacks: they hold']);
    this.#known = { documents: new Map(), rolledBack: new Set(onRecord) };
    this.#kept.found(this.#known, false);
  }

  known(): KnownRollouts {
    const { rolledBack, documents } = this.#kept.onDisk;
    return {
      ...this.#known,
      wasRead: true,
      pending: { disk: without(this.#known.rolledBack, rolledBack), store: NONE },
      pendingDocuments: { disk: idsAheadOf(this.#known.documents, documents), store: NONE },
    };
  }

  /** Why the last write failed; undefined while all is well. */
  trouble(): string | undefined {
    return this.#kept.trouble();
  }

  /** Writes what the file does not have yet. Rejects when the disk fails. */
  async refresh(): Promise<KnownRollouts> {
    await this.#save();
    return this.known();
  }

  advance(document: RolloutDocument, expectedEpoch: number): Promise<Advance> {
    return this.#kept.inTurn(async () => {
      const current = this.#known.documents.get(document.id);
      const rolledBack = this.#known.rolledBack.has(document.id);
      if (rolledBack || (current?.epoch ?? 0) !== expectedEpoch || document.epoch <= expectedEpoch)
        return { kind: 'conflict', current, rolledBack };
      const before = this.#known;
      const next = withHigher(before, [document]);
      await this.#kept.write(next);
      // What was heard meanwhile stays, and is written in the next turn.
      this.#known = this.#known === before ? next : withHigher(this.#known, [document]);
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
    const union = new Set([...this.#known.rolledBack, ...rolledBack]);
    if (union.size > this.#known.rolledBack.size) this.#known = { ...this.#known, rolledBack: union };
    this.#known = withHigher(this.#known, documents);
    return this.#save();
  }

  #save(): Promise<void> {
    return this.#kept.save(() => this.#known);
  }
}

/** With the documents whose epoch is higher; the same object when there is none. */
function withHigher(known: Known, documents: Iterable<RolloutDocument>): Known {
  const higher = aheadOf(documents, known.documents);
  if (higher.length === 0) return known;
  const added = higher.map((document) => [document.id, document] as const);
  return { ...known, documents: new Map([...known.documents, ...added]) };
}

function keptOf({ documents, rolledBack }: Known): Kept {
  return { documents: [...documents.values()], rolledBack: [...rolledBack] };
}

const NONE: ReadonlySet<string> = new Set();

/** The documents that the others lack, or have with a lower epoch. */
export function aheadOf(
  documents: Iterable<RolloutDocument>,
  others: ReadonlyMap<string, Pick<RolloutDocument, 'epoch'>>,
): readonly RolloutDocument[] {
  return [...documents].filter(({ id, epoch }) => epoch > (others.get(id)?.epoch ?? 0));
}

/** The ids of the documents that the others lack, or have with a lower epoch. */
export function idsAheadOf(
  documents: ReadonlyMap<string, RolloutDocument>,
  others: ReadonlyMap<string, Pick<RolloutDocument, 'epoch'>>,
): ReadonlySet<string> {
  return documents === others ? NONE : new Set(aheadOf(documents.values(), others).map(({ id }) => id));
}

/** The ids of one set that the other lacks. */
export function without(ids: ReadonlySet<string>, known: ReadonlySet<string>): ReadonlySet<string> {
  return ids === known ? NONE : new Set([...ids].filter((id) => !known.has(id)));
}
