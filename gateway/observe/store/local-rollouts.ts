// What one gateway knows about rollouts, kept on its own disk: the truth where there is no shared store, and where there is
// one, what that may never make it forget.
import { UserError } from '../../errors.ts';
import { readJsonFile, replaceFile } from './durable-file.ts';
import type { Advance, KnownRollouts, RolloutDocument, RolloutStates } from './store.ts';
import { takingTurns } from './turns.ts';

type Kept = { readonly documents: readonly RolloutDocument[]; readonly rolledBack: readonly string[] };

/** Rollout states in a file, or in memory when there is none. */
export class LocalRollouts implements RolloutStates {
  readonly #file: string | undefined;
  readonly #inTurn = takingTurns();
  #documents = new Map<string, RolloutDocument>();
  #rolledBack = new Set<string>();
  /** Whether the disk has all of it: after a write that failed, the next one writes again even if it brings nothing new. */
  #isDurable = true;

  constructor(file: string | undefined) {
    this.#file = file;
  }

  /** Reads the file. Rejects when it is there and cannot be read: starting without it could undo a rollback. */
  async open(): Promise<void> {
    const kept = this.#file === undefined ? undefined : await readJsonFile(this.#file);
    if (kept === undefined) return;
    if (!isKept(kept))
      throw new UserError(`${this.#file} is damaged: it has no lists of documents and rolled-back ids`, 1);
    this.#documents = new Map(kept.documents.flatMap(namedIn).map((document) => [document.id, document]));
    this.#rolledBack = new Set(kept.rolledBack);
  }

  known(): KnownRollouts {
    return { documents: this.#documents, rolledBack: this.#rolledBack, wasRead: true, wentBack: [] };
  }

  async refresh(): Promise<KnownRollouts> {
    return this.known();
  }

  advance(document: RolloutDocument, expectedEpoch: number): Promise<Advance> {
    return this.#inTurn(async () => {
      const current = this.#documents.get(document.id);
      const rolledBack = this.#rolledBack.has(document.id);
      if (rolledBack || (current?.epoch ?? 0) !== expectedEpoch || document.epoch <= expectedEpoch)
        return { kind: 'conflict', current, rolledBack };
      await this.#keep([...this.#rolledBack], [document]);
      return { kind: 'written' };
    });
  }

  keep(document: RolloutDocument): Promise<void> {
    return this.adopt([], [document]);
  }

  async rollBack(id: string): Promise<{ readonly shared: boolean }> {
    await this.adopt([id], []);
    return { shared: true };
  }

  /** There is nobody else. */
  onHint(): void {}

  /** Takes over what others know: every rolled-back id, and documents of a higher epoch. Durable when it resolves. */
  adopt(rolledBack: Iterable<string>, documents: Iterable<RolloutDocument>): Promise<void> {
    return this.#inTurn(async () => {
      const union = new Set([...this.#rolledBack, ...rolledBack]);
      const higher = [...documents].filter(({ id, epoch }) => epoch > (this.#documents.get(id)?.epoch ?? 0));
      const isNew = union.size > this.#rolledBack.size || higher.length > 0;
      if (isNew || !this.#isDurable) await this.#keep([...union], higher);
    });
  }

  async #keep(rolledBack: readonly string[], changed: readonly RolloutDocument[]): Promise<void> {
    // Effective here at once, also when the disk is full and this rejects: a rollback that only memory knows is still one.
    this.#rolledBack = new Set(rolledBack);
    this.#isDurable = false;
    const documents = new Map([...this.#documents, ...changed.map((document) => [document.id, document] as const)]);
    const kept: Kept = { documents: [...documents.values()], rolledBack };
    if (this.#file !== undefined) await replaceFile(this.#file, `${JSON.stringify(kept, null, 1)}\n`);
    this.#documents = documents;
    this.#isDurable = true;
  }
}

function isKept(value: unknown): value is { documents: unknown[]; rolledBack: string[] } {
  const { documents, rolledBack } = (value ?? {}) as Partial<Record<keyof Kept, unknown>>;
  return Array.isArray(documents) && Array.isArray(rolledBack);
}

/** A value without an id is nobody's document; one whose epoch is damaged is older than any. */
function namedIn(value: unknown): RolloutDocument[] {
  const { id, epoch } = (value ?? {}) as Partial<RolloutDocument>;
  if (typeof id !== 'string') return [];
  return [Number.isSafeInteger(epoch) ? (value as RolloutDocument) : { ...(value as object), id, epoch: 0 }];
}
