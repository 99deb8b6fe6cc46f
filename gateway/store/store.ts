// What is remembered beyond one request, and the contract of everything that remembers it: memory with files, or Redis.
// Nothing here is on the serving path: what is told to a store is queued within bounds, counted, and never throws.
import type { ComparisonBatch, Subject } from '../compare/batch.ts';
import type { Comparison, ComparisonKind } from '../compare/comparison.ts';
import type { Sums } from '../statistics/sums.ts';
import type { Damages } from './damage.ts';

export type Store = {
  readonly comparisons: ComparisonStore;
  readonly outcomes: OutcomeWindows;
  readonly rollouts: RolloutStates;
  readonly shadowOrders: ShadowOrders;
  readonly audit: AuditTrail;
  readonly experiments: ExperimentCounts;
  /** Milliseconds since 1970 on the clock that all replicas share: Redis's own, or this machine's. */
  readonly now: () => number;
  readonly health: () => StoreHealth;
  /** What could not be read of files and of what is shared. */
  readonly damages: Damages;
  /** Writes what waits, for at most this long. */
  readonly close: (withinMs?: number) => Promise<void>;
};

export type StoreHealth = {
  readonly kind: 'memory' | 'files' | 'redis';
  /** Whether it takes writes now; `reason` says why not, in words for an operator. */
  readonly up: boolean;
  readonly reason: string | undefined;
  /** Everything that does not work now; the first is the reason. */
  readonly troubles: readonly string[];
  /** What failed since the start, by operation and kind. */
  readonly failures: readonly StoreFailure[];
  readonly counters: StoreCounters;
  /** Entries of the audit trail that this machine's disk will never have: it failed for so long that too many waited. */
  readonly auditDropped: number;
};

/** How often an operation failed in a way, such as `rollouts_read` by `permission`. */
export type StoreFailure = { readonly operation: string; readonly kind: string; readonly count: number };

/** What became of everything that was told: offered = written + dropped + unknown + waiting, at any time. */
export type StoreCounters = {
  readonly offered: number;
  readonly written: number;
  /** Pushed out of a full queue, or refused by the store. */
  readonly dropped: number;
  /** Sent, never answered, and given up: they may have been written, at most once. */
  readonly unknown: number;
  readonly waiting: number;
};

/** Comparisons and what they add up to. */
export type ComparisonStore = {
  /** Takes comparisons; returns at once. */
  readonly append: (batch: ComparisonBatch) => void;
  /** Comparisons, the newest first; with `after` those that came since a cursor, the oldest first. */
  readonly page: (query: PageQuery) => Promise<Page>;
  /** Resolves when there may be something new, and after this long at the latest. */
  readonly news: (withinMs: number) => Promise<void>;
  /** Every shadow of which sums are kept. */
  readonly subjects: () => Promise<readonly Subject[]>;
  /** Sums of a subject by slot of time, the oldest first. `from` and `to` are milliseconds since 1970; `to` is exclusive. */
  readonly sums: (subject: Subject, slot: Slot, from: number, to: number) => Promise<readonly SlotSums[]>;
  /** What the policy let be kept of one comparison, as JSON text; undefined when nothing was, or its time is over. */
  readonly kept: (id: string) => Promise<string | undefined>;
};

/** Minutes are kept for hours, hours for weeks. */
export type Slot = 'minute' | 'hour';

export type SlotSums = { readonly at: number; readonly sums: Sums };

/** What a page is asked for. Every filter that is given must fit. */
export type PageQuery = {
  readonly model?: string | undefined;
  readonly shadow?: string | undefined;
  /** On either side. */
  readonly version?: string | undefined;
  readonly kind?: ComparisonKind | undefined;
  /** A field that differs. */
  readonly field?: string | undefined;
  /** Labels of one cell of a confusion matrix. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Milliseconds since 1970, `until` exclusive. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Continues where an earlier page ended. */
  readonly cursor?: string | undefined;
  /** Turns the direction: what came after this cursor. */
  readonly after?: string | undefined;
  readonly limit: number;
};

export type Page = {
  readonly comparisons: readonly Comparison[];
  /** Where to continue; undefined at the end. A page may be short and still not the last: looking through is bounded. */
  readonly cursor: string | undefined;
  /** The place of the newest there is, for asking what comes after. */
  readonly newest: string;
};

/** Counts of outcomes by second, which a judge adds up over replicas. */
export type OutcomeWindows = {
  /** This replica's counts of one second of `now()`, all of them: told again they replace what was told before. */
  readonly put: (model: string, second: number, counts: VersionCounts) => void;
  /** Counts of every replica together, by second in [from, to), the oldest first. Rejects with StoreUnavailable. */
  readonly read: (model: string, from: number, to: number) => Promise<readonly WindowCounts[]>;
};

/** Counts by version and name, such as `v2` -> `model_fault`. Whole numbers. */
export type VersionCounts = Readonly<Record<string, Readonly<Record<string, number>>>>;

export type WindowCounts = { readonly second: number; readonly counts: VersionCounts };

/** A rollout's state. The store knows its id and epoch; the rest is the judge's. */
export type RolloutDocument = { readonly id: string; readonly epoch: number; readonly [key: string]: unknown };

/** What replicas agree on about rollouts. */
export type RolloutStates = {
  /** What this replica knows, without asking anyone: everything it read, wrote or rolled back, also before a restart. */
  readonly known: () => KnownRollouts;
  /** Reads the shared state and tells it what it has forgotten. Rejects with StoreUnavailable. */
  readonly refresh: () => Promise<KnownRollouts>;
  /** Writes a state if the one there has this epoch (0 for none) and the new one a higher epoch. */
  readonly advance: (document: RolloutDocument, expectedEpoch: number) => Promise<Advance>;
  /**
   * Keeps a state of a higher epoch on this machine alone, because the shared store is away; it is shared when that is back, unless
   * another replica moved the rollout meanwhile. Durable here when it resolves; rejects when the disk fails.
   */
  readonly keep: (document: RolloutDocument) => Promise<void>;
  /**
   * Ends a rollout permanently; `document` is its state then, with the reason. It holds here when this returns. Durable on this
   * machine when it resolves, whatever else is down; `shared` tells whether the other replicas can see it by now. Rejects only when
   * the disk fails; the other replicas get it all the same. What did not work is tried again at every `refresh`.
   */
  readonly rollBack: (id: string, document?: RolloutDocument) => Promise<{ readonly shared: boolean }>;
  /** Hears that another replica has just changed something. A hint that may be lost: `refresh` is the truth. */
  readonly onHint: (listener: () => void) => void;
};

/** What people ordered of shadows, each called `model/shadow`. The latest order is right, whichever replica it was given to. */
export type ShadowOrders = {
  /** Those that are paused, as far as this replica knows. */
  readonly paused: () => ReadonlySet<string>;
  /**
   * Pauses or resumes a shadow: known here at once, and on this disk when it resolves; `shared` tells whether the other
   * replicas can see it by now. Rejects only when the disk fails; the other replicas get it all the same. What did not work is
   * tried again at every `refresh`.
   */
  readonly order: (shadow: string, isPaused: boolean) => Promise<{ readonly shared: boolean }>;
  /** Hears what other replicas were told, and tells them what they have missed. Rejects with StoreUnavailable. */
  readonly refresh: () => Promise<ReadonlySet<string>>;
};

export type KnownRollouts = {
  readonly documents: ReadonlyMap<string, RolloutDocument>;
  readonly rolledBack: ReadonlySet<string>;
  /** Whether the shared state was read since this process started. */
  readonly wasRead: boolean;
  /** Rollbacks that hold here. */
  readonly pending: Pending;
  /** Documents that hold here, such as that of a suspension. */
  readonly pendingDocuments: Pending;
};

/** Ids of rollouts of which something holds at this replica, by what does not have it yet. */
export type Pending = {
  /** This machine's disk: a crash of this process forgets it. */
  readonly disk: ReadonlySet<string>;
  /** The shared store, as far as is known: the other replicas may go on with these candidates. */
  readonly store: ReadonlySet<string>;
};

/** What holds at this replica and is not yet where it must be. */
export type Unshared = { readonly rollbacks: Pending; readonly suspensions: Pending };

export type Advance =
  | { readonly kind: 'written' }
  /** Someone else was first, or the rollout is rolled back. */
  | { readonly kind: 'conflict'; readonly current: RolloutDocument | undefined; readonly rolledBack: boolean }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Who did what, and why. Append only. */
export type AuditTrail = {
  /** Durable on this machine when it resolves. Where the disk fails it rejects, shows the entry to readers, and writes it again. */
  readonly append: (entry: AuditEntry) => Promise<void>;
  /** The newest first; `limit` is capped at 1,000. */
  readonly read: (limit: number) => Promise<readonly AuditEntry[]>;
};

export type AuditEntry = { readonly id: string; readonly at: number; readonly [key: string]: unknown };

/** Who saw which arm of an experiment, and how the arms fare. */
export type ExperimentCounts = {
  /** A unit saw an arm. Costs a hash; units are counted once, however often they come. */
  readonly expose: (experiment: string, arm: string, unit: string) => void;
  /** Adds to the sums of an arm, such as `requests`, `errors` and `latency/<bucket>`. */
  readonly add: (experiment: string, arm: string, sums: Sums) => void;
  /** Rejects with StoreUnavailable. */
  readonly read: (experiment: string) => Promise<ExperimentReading>;
};

export type ExperimentReading = {
  /** Units by arm. Exact up to 32,768 in all; beyond, scaled up from a uniform sample of that many, 0.6 % exact. */
  readonly units: ReadonlyMap<string, number>;
  /** Units by arm in the sample itself: whole counts, which a sample-ratio check may rest on. */
  readonly sampled: ReadonlyMap<string, number>;
  /** Units of the sample that saw more than one arm. */
  readonly crossed: number;
  readonly sums: ReadonlyMap<string, Sums>;
};
