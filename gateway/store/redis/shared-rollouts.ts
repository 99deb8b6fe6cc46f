// Rollout states that replicas share. The disk of each is the truth that Redis may add to and never take from: ids that were
// rolled back are united, documents go forward only, and what Redis has forgotten is told to it again.
import { setTimeout as sleep } from 'node:timers/promises';
import { atMostEvery } from '../at-most-every.ts';
import type { Damages } from '../damage.ts';
import { aheadOf, idsAheadOf, type LocalRollouts, without } from '../files/local-rollouts.ts';
import { isStorable } from '../files/rollouts-file.ts';
import type { Advance, KnownRollouts, RolloutDocument, RolloutStates } from '../store.ts';
import type { Connections } from './connections.ts';
import type { RedisKeys } from './keys.ts';

/** The epoch of a document; of none, and of text that is no document, it is 0. */
const EPOCH = `
local text = redis.call('HGET', KEYS[1], ARGV[1])
local isJson, document = pcall(cjson.decode, text or 'null')
local epoch = isJson and type(document) == 'table' and tonumber(document.epoch) or 0
`;

/** Writes a document unless its id is rolled back or the epoch there is not the expected one. Epochs are whole numbers. */
const ADVANCE = `
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 'rolled back' end
${EPOCH}
if epoch ~= tonumber(ARGV[2]) then return 'conflict' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'written'
`;

/** Writes a document unless the one there has its epoch or a higher one. */
const RESTORE = `
${EPOCH}
if epoch < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return epoch
`;

/** How long a rollback waits to hear that the others can see it. */
const TELL_MS = 250;
/** Whoever may publish in Redis can flood the channel of hints: it is looked at once in this time at most. */
const HINTS_EVERY_MS = 50;
/** How soon a subscription that was refused is tried again. */
const SUBSCRIBE_MS = 5000;

export type SharedRolloutsOptions = {
  readonly connections: Connections;
  readonly keys: RedisKeys;
  readonly local: LocalRollouts;
  readonly damages: Damages;
  readonly onTrouble: (error: Error) => void;
};

/** Rollout states on this disk and in Redis. */
export class SharedRollouts implements RolloutStates {
  readonly #options: SharedRolloutsOptions;
  #wasRead = false;
  /** Rolled-back ids that Redis had when it was last read or written. */
  #shared: ReadonlySet<string> = new Set();
  /** The documents that Redis had when they were last read or written. */
  readonly #sharedDocuments = new Map<string, Pick<RolloutDocument, 'epoch'>>();
  #subscribing: NodeJS.Timeout | undefined;
  /** What Redis holds under the ids of rollouts that is no document. */
  #damaged: ReadonlyMap<string, RolloutDocument> = new Map();

  constructor(options: SharedRolloutsOptions) {
    this.#options = options;
    // A rollback that happened while Redis was away is told as soon as it is back.
    options.connections.onReady('control', () => void this.refresh().catch(() => {})); // reported by `use`; the next tick asks again
    options.connections.onReady('hints', () => void this.#subscribe());
  }

  known(): KnownRollouts {
    const own = this.#options.local.known();
    const pending = { ...own.pending, store: without(own.rolledBack, this.#shared) };
    const pendingDocuments = { ...own.pendingDocuments, store: idsAheadOf(own.documents, this.#sharedDocuments) };
    const known = { ...own, wasRead: this.#wasRead, pending, pendingDocuments };
    if (this.#damaged.size === 0) return known;
    return { ...known, documents: new Map([...this.#damaged, ...known.documents]) };
  }

  /** A disk that fails does not keep this replica from hearing the others, nor them from hearing it. */
  async refresh(): Promise<KnownRollouts> {
    const { connections, keys, local, damages, onTrouble } = this.#options;
    const before = local.known();
    void local.refresh().catch(onTrouble);
    const [texts, rolledBack] = await connections.use('rollouts_read', (client) =>
      Promise.all([client.hgetall(keys.rollouts), client.smembers(keys.rolledBack)]),
    );
    const read = Object.entries(texts).map(([id, text]) => [id, documentIn(id, text)] as const);
    const documents = read.flatMap(([, document]) => document ?? []);
    const damaged = read.filter(([, document]) => document === undefined).map(([id]) => id);
    damages.note(
      keys.rollouts,
      damaged.map((id) => `the value of ${id.slice(0, 64)} is no document of this rollout`),
    );
    this.#damaged = new Map(damaged.map((id) => [id, damagedOf(id)]));
    void local.adopt(rolledBack, documents).catch(() => {}); // held here at once, and written again at the next look
    this.#wasRead = true;
    this.#shared = new Set(rolledBack);
    this.#sharedDocuments.clear();
    for (const document of documents) this.#isShared(document);
    await this.#restore(before, new Map(documents.map((document) => [document.id, document])));
    return this.known();
  }

  async advance(document: RolloutDocument, expectedEpoch: number): Promise<Advance> {
    const { connections, keys, local } = this.#options;
    const { documents, rolledBack } = local.known();
    const known = documents.get(document.id);
    // What this replica knows may be ahead of a Redis that lost its memory, never behind in a way that would matter.
    const isBehind = expectedEpoch < (known?.epoch ?? 0) || document.epoch <= expectedEpoch;
    if (rolledBack.has(document.id) || isBehind)
      return { kind: 'conflict', current: known, rolledBack: rolledBack.has(document.id) };
    try {
      const args = [document.id, String(expectedEpoch), JSON.stringify(document)];
      const said = await connections.use('rollouts_write', (client) =>
        client.eval(ADVANCE, 2, keys.rollouts, keys.rolledBack, ...args),
      );
      if (said === 'written') {
        this.#isShared(document);
        this.#hint(document.id);
        await local.adopt([], [document]).catch(() => {}); // Redis has it, and this disk when it takes it again
        return { kind: 'written' };
      }
      const now = await this.refresh();
      return { kind: 'conflict', current: now.documents.get(document.id), rolledBack: said === 'rolled back' };
    } catch (error) {
      return { kind: 'unavailable', reason: (error as Error).message };
    }
  }

  keep(document: RolloutDocument): Promise<void> {
    return this.#options.local.keep(document);
  }

  async rollBack(id: string, document?: RolloutDocument): Promise<{ readonly shared: boolean }> {
    const { connections, keys, local } = this.#options;
    const saved = local.rollBack(id, document);
    saved.catch(() => {}); // awaited below, after Redis has it
    // The reason goes first, so that nobody hears of a rollback without it. What fails is reported by `use`, and the next
    // refresh tells it.
    if (document !== undefined) void this.#restoreOne(document).catch(() => {});
    const told = connections
      .use('rollbacks_write', (client) => client.sadd(keys.rolledBack, id))
      .then(
        () => {
          this.#shared = new Set([...this.#shared, id]);
          this.#hint(id);
          return true;
        },
        () => false,
      );
    const shared = await Promise.race([told, sleep(TELL_MS, false, { ref: false })]);
    await saved;
    return { shared };
  }

  onHint(listener: () => void): void {
    this.#options.connections.onHint(atMostEvery(HINTS_EVERY_MS, listener));
  }

  #hint(id: string): void {
    const { connections, keys } = this.#options;
    void connections.use('hints_write', (client) => client.publish(keys.hints, id)).catch(() => {}); // reported by `use`
  }

  /** Tried again where it is refused: until then polling finds what others changed. */
  async #subscribe(): Promise<void> {
    const { connections, keys } = this.#options;
    clearTimeout(this.#subscribing);
    await connections
      .use('hints_read', (client) => client.subscribe(keys.hints))
      .catch(() => {
        if (!connections.isClosed) this.#subscribing = setTimeout(() => void this.#subscribe(), SUBSCRIBE_MS).unref();
      });
  }

  /** Tells Redis what it should know: rolled-back ids that it lacks, and documents of which it has an older state or none. */
  async #restore(
    { documents, rolledBack }: KnownRollouts,
    shared: ReadonlyMap<string, RolloutDocument>,
  ): Promise<void> {
    const { connections, keys, onTrouble } = this.#options;
    const missing = [...without(rolledBack, this.#shared)];
    const ahead = aheadOf(documents.values(), shared);
    // What Redis never had is no sign of an old dump.
    for (const { id } of ahead.filter(({ id }) => shared.has(id) && !missing.includes(id)))
      onTrouble(new Error(`Redis shows an older state of rollout ${id} than it had: an old dump? It is not adopted`));
    if (missing.length > 0) {
      await connections.use('rollbacks_write', (client) => client.sadd(keys.rolledBack, ...missing));
      this.#shared = new Set([...this.#shared, ...missing]);
      for (const id of missing) this.#hint(id);
    }
    for (const document of ahead) await this.#restoreOne(document);
  }

  async #restoreOne(document: RolloutDocument): Promise<void> {
    const { connections, keys } = this.#options;
    const words = [document.id, String(document.epoch), JSON.stringify(document)];
    await connections.use('rollouts_write', (client) => client.eval(RESTORE, 1, keys.rollouts, ...words));
    this.#isShared(document);
  }

  /** Only the epoch is kept: a document may be large. */
  #isShared({ id, epoch }: RolloutDocument): void {
    this.#sharedDocuments.set(id, { epoch });
  }
}

/** Undefined where another version of Sluice, or someone by hand, wrote what is no document of this id. */
function documentIn(id: string, text: string): RolloutDocument | undefined {
  try {
    const value = JSON.parse(text) as RolloutDocument;
    const isDocument = value?.id === id && Number.isSafeInteger(value.epoch) && isStorable(value);
    return isDocument ? value : undefined;
  } catch {
    return undefined;
  }
}

function damagedOf(id: string): RolloutDocument {
  return { id, epoch: 0, damaged: 'Redis holds a value that is no document of this rollout' };
}
