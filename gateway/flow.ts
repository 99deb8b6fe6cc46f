// The story of a request, as values: receive makes Facts, decide a Decision, forward an Answer, observe an Outcome.
// Everything here is plain, readonly data, or a word on it; this file imports nothing of ours, and every folder may import it.

/** What a caller asks for: a prediction by Open Inference Protocol v2 or by v1, a look at the model, or any HTTP at all. */
export type Call = 'infer' | 'predict' | 'metadata' | 'ready' | 'opaque';

/** One request as received. The body is the bytes as they came: nothing parses it on the way to the server. */
export type Facts = {
  /** The caller's `x-request-id`, or one made here. */
  readonly id: string;
  /** The model name the application called. */
  readonly model: string;
  readonly call: Call;
  /** The version asked for by path or by `x-sluice-version`. */
  readonly pin: string | undefined;
  /** Header values by lower-case name. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The headers as they stood on the wire: name, value, name, value. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

/** Registers what to do when the caller hangs up before its answer; done at once when it has already. */
export type OnLeave = (abandon: () => void) => void;

/** Which version answers, and why; or why none may. */
export type Decision =
  | {
      readonly kind: 'serve';
      /** The model that answers: the one called, or the tier's. */
      readonly model: string;
      readonly version: string;
      readonly tier?: string;
      readonly why: string;
      /** Set when the rollouts' rule decided: what the judge counts the answer under. */
      readonly sorted?: Sorted;
      /** Set when an experiment decided. */
      readonly exposed?: Exposure;
      readonly missed?: Missed;
    }
  | { readonly kind: 'refuse'; readonly refusal: Refusal; readonly why: string; readonly missed?: Missed };

/** Where the rule of a model's rollouts put a request. */
export type Sorted = {
  /** The rollout whose candidate it got; undefined for the baseline beside it. */
  readonly rollout: string | undefined;
  /** Who asked; undefined when the request did not say. */
  readonly unit: string | undefined;
  /** An integer in [0, 2^48) made of who asked, independent of the slot; undefined when the request did not say. */
  readonly unitId: number | undefined;
  /** The stamp of the model that was decided about. */
  readonly view: number;
};

/** Which arm of an experiment a request saw: the label of its version, or `holdout`. */
export type Exposure = {
  readonly experiment: string;
  readonly arm: string;
  /** Who asked; undefined when the request did not say. */
  readonly unit: string | undefined;
};

/**
 * What the policy wanted to know of a request and could not read: why there is no unit (`absent`: it was not sent), and why its
 * rules saw nothing inside the body.
 */
export type Missed = { readonly unit?: MissedReason; readonly rules?: MissedReason };
export const MISSED_REASONS = ['absent', 'too_large', 'too_deep', 'compressed', 'not_json'] as const;
export type MissedReason = (typeof MISSED_REASONS)[number];
/** Each reason in words. */
export const MISSED_WORDS: Readonly<Record<MissedReason, string>> = {
  absent: 'it was not sent',
  too_large: 'the body is too large to look into',
  too_deep: 'the body is nested too deeply to look into',
  compressed: 'the body is compressed in a way that is not read here, or damaged',
  not_json: 'the body is no JSON',
};

export type Refusal = 'unknown_version' | 'pin_not_allowed' | 'out_of_service' | 'no_unit';

/** Why the gateway answered in the place of a server. */
export type Fault =
  | 'unreachable' // no connection, so the request was never sent
  | 'broken' // reset, or cut short
  | 'malformed' // not HTTP, or framed so that its end is uncertain
  | 'redirected' // a status from 300 to 399
  | 'answer_too_large' // the answer went over a limit of this gateway
  | 'answers_full' // the memory for all answers at this gateway is full
  | 'deadline' // no whole answer within the model's timeout, or a streamed one paused for longer than it may
  | 'too_large' // a streamed body went over the limit
  | 'too_slow' // the caller sent a streamed body, or took a streamed answer, too slowly
  | 'shed' // every server of the version is at its in-flight cap
  | 'client_left'; // the caller hung up before it had the whole answer

/**
 * Whose doing a result was. Only `model_fault` speaks against a version. `server_fault` is the servers' trouble: no
 * connection, a connection that broke, an answer that is no whole one, or a server that does not have the version ready.
 * `own_limit` is an answer that this gateway did not take, or the 508 of a gateway that the request had passed before: what limits
 * and policies bring about speaks against no server and no version.
 */
export const OUTCOME_CLASSES = [
  'ok',
  'model_fault',
  'server_fault',
  'client_fault',
  'own_limit',
  'shed',
  'client_left',
] as const;
export type OutcomeClass = (typeof OUTCOME_CLASSES)[number];

/** Whether a caller should have had an answer and got none, whatever the reason: what people call an error. */
export function isFailure(outcome: OutcomeClass): boolean {
  return outcome === 'model_fault' || outcome === 'server_fault';
}

/** What goes back to the caller. */
export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Empty when it was streamed to the caller already. */
  readonly body: Buffer;
  readonly isDelivered: boolean;
  /** The server that was asked last; undefined when none was. */
  readonly server: string | undefined;
  readonly serverClass: 'cpu' | 'gpu' | undefined;
  /** Set when the gateway wrote this answer itself. */
  readonly fault: Fault | undefined;
  readonly class: OutcomeClass;
  /** The class of the first attempt's result: a retry that went well does not make it undone. */
  readonly firstClass: OutcomeClass;
  /** Why the first attempt brought no answer of a server, or was not made; undefined when it brought one. */
  readonly firstFault: Fault | undefined;
  /** The server of the first attempt; undefined when there was none. Where a hedge outran that attempt, it is the hedge's. */
  readonly firstServer: string | undefined;
  readonly firstServerClass: 'cpu' | 'gpu' | undefined;
  /** Whether the server that was asked first had answered enough requests of this version before not to be cold. */
  readonly isWarm: boolean;
  readonly attempts: number;
  /**
   * Milliseconds on a monotonic clock. Of a whole answer: from the decision to the last byte. Of a streamed one: the
   * server's part of it, without the time in which the caller was waited for (`forward/turns.ts`).
   */
  readonly latencyMs: number;
};

/** What is remembered of a request. */
export type Outcome = {
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly why: string;
  readonly server: string | undefined;
  readonly serverClass: 'cpu' | 'gpu' | undefined;
  readonly status: number;
  readonly class: OutcomeClass;
  readonly firstClass: OutcomeClass;
  readonly attempts: number;
  readonly fault: Fault | undefined;
  readonly latencyMs: number;
};

/** One answer to a mirrored request, as it came. Its bytes are never parsed on the serving path. */
export type Side = {
  readonly version: string;
  /** What the server said, or what the gateway would say in its place. */
  readonly status: number;
  /** Set when there is no answer of the server. */
  readonly fault?: Fault | undefined;
  readonly contentType: string;
  /** How the body is compressed: `content-encoding`. */
  readonly encoding?: string | undefined;
  /** Bytes of JSON before binary tensors: `inference-header-content-length`. */
  readonly headerLength?: number | undefined;
  readonly body: Buffer;
  readonly latencyMs: number;
  readonly server: string;
  /** The model file's SHA-256, where the server tells it. */
  readonly digest?: string | undefined;
};

/** A mirrored request: what the caller got, what the shadow said, and for a few what the baseline says when asked again. */
export type Pair = {
  /** The request's id. */
  readonly id: string;
  readonly model: string;
  /** The shadow's name in the policy. */
  readonly shadow: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly unit?: string | undefined;
  /** Values of the headers that comparisons are sliced by, and the tier. */
  readonly slices?: Readonly<Record<string, string>> | undefined;
  readonly baseline: Side;
  readonly candidate: Side;
  /** A second answer of the baseline to the same request: the noise floor. */
  readonly noise?: Side | undefined;
  /** Only where the policy keeps fields of requests. */
  readonly request?: Pick<Side, 'body' | 'headerLength'> | undefined;
};
