// The policy as it runs: names resolved, slots, salts and upstream paths worked out, nothing left to decide per request.
// All of it is plain data: a worker thread loads it and hands it over.
import type { Complexity, Condition, Rule } from './conditions.ts';
import type { Escalation } from './escalation.ts';
import type { ServerClass, ServerSpec } from './servers.ts';

export type Policy = {
  readonly fleet: ReadonlyMap<string, ServerSpec>;
  readonly models: ReadonlyMap<string, Model>;
  /** Models in which something is on trial: a rollout, an experiment or a shadow. Thousands of others need no look. */
  readonly onTrial: readonly ServedModel[];
  readonly ladders: readonly TieredModel[];
  /** Model names by the path below which everything is theirs: those of protocol http. */
  readonly prefixes: ReadonlyMap<string, string>;
  /** SHA-256 of the file's bytes, hex: tells two policies apart in status, metrics and logs. */
  readonly sha256: string;
  /** The certificate files that were read, and the SHA-256 of what was in them: renewed ones are another policy. */
  readonly certificates: { readonly files: readonly string[]; readonly sha256: string };
};

/** What applications call: a model with versions, or a ladder of such models. */
export type Model = ServedModel | TieredModel;

/** Whether something is on trial in a model. */
export function isOnTrial({ rollouts, experiment, shadows }: ServedModel): boolean {
  return rollouts.length + shadows.length > 0 || experiment !== undefined;
}

export type ServedModel = {
  readonly kind: 'served';
  readonly name: string;
  /** What the rollouts sort callers by, all in one bucket space; undefined without a rollout. */
  readonly sorting: Sorting | undefined;
  /** What is hashed before the unit; empty without a rollout. */
  readonly sortingPrefix: string;
  /** The salt in that prefix, for people. */
  readonly sortingSalt: string;
  /** Which state of its rollouts this model shows: 0 as compiled. A decision carries it to where its answer is counted. */
  readonly stamp: number;
  /** No rollout's block reaches beyond this slot. */
  readonly end: number;
  /** The first of the rollouts, which most models have alone. */
  readonly rollout: Rollout | undefined;
  readonly experiment: Experiment | undefined;
  /** The baseline's, and why it is the baseline. */
  readonly baselineLabel: string;
  readonly baselineWhy: string;
  readonly timeoutMs: number;
  readonly versions: ReadonlyMap<string, Version>;
  /** Versions by everything a caller may call them: our label and the server's own version. */
  readonly pinnable: ReadonlyMap<string, Version>;
  readonly pins: 'none' | 'any' | readonly Condition[];
  readonly baseline: Version;
  readonly rollouts: readonly Rollout[];
  readonly shadows: readonly Shadow[];
};

/** What callers of a model with rollouts are sorted by: one object for all models that sort alike. */
export type Sorting = Pick<Buckets, 'unit' | 'withoutUnit'>;

export type Version = {
  readonly model: string;
  readonly label: string;
  readonly servers: readonly string[];
  readonly protocol: 'oip' | 'v1' | 'http';
  /** Milliseconds for the whole answer: the version's own deadline or the model's, whichever is shorter. */
  readonly timeoutMs: number;
  /** Milliseconds between two pieces of a streamed answer. */
  readonly idleTimeoutMs: number;
  /** The class of server asked first. */
  readonly prefer: ServerClass | undefined;
  /** Requests at this version at one time, over all servers. */
  readonly maxInFlight: number;
  readonly resending: Resending;
  /** The model at its servers, as part of every path: `models/mnist/versions/2`. */
  readonly upstream: string;
};

/** When a request is sent more than once. */
export type Resending = {
  readonly isIdempotent: boolean;
  /** Repeats by requests. */
  readonly budget: number;
  /** Milliseconds without an answer after which another server is asked too; undefined for never. */
  readonly hedgeAfterMs: number | undefined;
};

/** What callers are sorted by. A body path is where in the JSON the unit stands. */
export type Unit =
  | { readonly from: 'random' }
  | { readonly from: 'header'; readonly name: string }
  | { readonly from: 'body'; readonly path: readonly string[] };

export type WithoutUnit = 'random' | 'reject' | { readonly key: string };

/** How callers are sorted into slots: 1,000,000 of them, by `sha256-v1`. `prefix` is what is hashed before the unit. */
export type Buckets = {
  readonly salt: string;
  readonly prefix: string;
  readonly unit: Unit;
  readonly withoutUnit: WithoutUnit;
};

/** Slots [from, to) of a bucket space. */
export type Block = { readonly from: number; readonly to: number };

/** A candidate and the block of slots it is live on. The block starts where it always starts, and only its end moves. */
export type Rollout = {
  /** The first step's block. */
  readonly live: Block;
  readonly id: string;
  /** The candidate's: with thousands of models each object more that a decision reads is a wait for memory. */
  readonly label: string;
  /** Why its callers are answered by the candidate. */
  readonly why: string;
  readonly candidate: Version;
  readonly buckets: Buckets;
  readonly steps: readonly Step[];
  /** The block of every step: its share, less the callers that are held back as a control. */
  readonly blocks: readonly Block[];
  /** Undefined when nothing judges the candidate. */
  readonly guards: Guards | undefined;
  /** Answers that each server of the candidate gives to copies of real requests before the first callers; 0 for none. */
  readonly warmUp: number;
  /** Requests that the candidate answers in each step before the next one may follow. */
  readonly minRequests: number;
  readonly maxDurationMs: number | undefined;
  /** Disagreement above the noise floor up to which the candidate may be promoted, as a part of 1. */
  readonly maxDisagreement: number | undefined;
  /** How long the guards go on after the promotion. */
  readonly guardTimeMs: number;
};

/** What suspends a candidate, and ends its rollout when it recurs. Rates are parts of 1; undefined is no such guard. */
export type Guards = {
  readonly errorRate: number | undefined;
  readonly latencyP99Ms: number | undefined;
  /** How many times as often as the baseline it may fail: above 1. */
  readonly versusBaseline: number;
  /** How many times as slow as the baseline it may be: above 1. */
  readonly versusBaselineLatency: number;
  readonly consecutiveFailures: number;
  /** Milliseconds that a suspended candidate's callers stay with the baseline before the first probe. */
  readonly pauseMs: number;
  readonly disagreement: number | undefined;
  /** The probability that a good candidate is ever ended, all guards together. */
  readonly falseAlarm: number;
  /** What a guard does: suspend the candidate and end it when that recurs, hold the rollout, or only report. */
  readonly action: 'rollback' | 'freeze' | 'dry_run';
};

export type Step = { readonly share: number; readonly until: 'held' | 'approved' | { readonly bakeMs: number } };

/** Where copies of a model's requests go, and how the answers are compared. */
export type Shadow = {
  readonly name: string;
  /** A version of this model, or another model: then its baseline. */
  readonly target: { readonly model: string; readonly version: string | undefined };
  readonly salt: string;
  /** The slots of the request ids that are copied. */
  readonly live: Block;
  /** Callers' headers that are copied, in lower case. */
  readonly headers: readonly string[];
  readonly budget: MirrorBudget;
  readonly compare: Compare;
};

/** What one shadow may hold and have in flight at one time, and how long a copy may wait. */
export type MirrorBudget = { readonly bytes: number; readonly concurrency: number; readonly ageMs: number };

/** How two answers are compared; `gateway/compare` says what each kind means. */
export type Compare = {
  readonly as: 'classification' | 'regression' | 'ranking' | 'embedding' | 'text' | 'json' | 'exact';
  readonly output: string | undefined;
  readonly tolerance: number | undefined;
  readonly top: number | undefined;
  readonly fields: readonly string[] | undefined;
  /** Headers by whose values the comparisons are sliced, in lower case. */
  readonly slices: readonly string[];
  /** Values of bodies that are kept for people to look at; undefined for none. */
  readonly keep: KeepValues | undefined;
};

/** JSON paths of answers and requests whose values are kept, for a sample of the pairs, for a time. */
export type KeepValues = {
  readonly fields: readonly string[];
  readonly requestFields: readonly string[];
  /** In (0, 1]. */
  readonly sample: number;
  readonly ttlMs: number;
};

export type Experiment = {
  readonly id: string;
  readonly buckets: Buckets;
  readonly arms: readonly Arm[];
  /** Whether a reload may move callers between arms. */
  readonly allowReshuffle: boolean;
  /** Slots of the holdout, in a bucket space of its own; empty when there is none. */
  readonly holdout: { readonly salt: string; readonly live: Block };
};

/** `reserved` is the room the arm may grow into. */
export type Arm = {
  readonly version: Version;
  /** Why its callers are answered by its version. */
  readonly why: string;
  readonly live: Block;
  readonly reserved: Block;
  /** Whether its version is suspended by a rollout: the baseline answers its callers for now. */
  readonly isSuspended?: boolean;
};

export type TieredModel = {
  readonly kind: 'tiers';
  readonly name: string;
  /** Models by tier, from fast to accurate. */
  readonly ladder: ReadonlyMap<string, ServedModel>;
  readonly rules: readonly Rule[];
  readonly complexity: Complexity | undefined;
  /** The tier when a rule asks for complexity and the request shows none. */
  readonly noSignal: string | undefined;
  /** Milliseconds that a caller waits at most, over all tiers. */
  readonly timeoutMs: number;
  /** What an answer of a tier costs, in a unit of the policy's own; 0 for tiers of which it is not said. */
  readonly costs: ReadonlyMap<string, number>;
  /** By what header costs are counted separately, and its values that have a group of their own. */
  readonly costGroups: { readonly header: string; readonly of: readonly string[] } | undefined;
  /** Undefined when the tier that a rule chose always answers. */
  readonly escalation: Escalation | undefined;
};
