// What a simulated world is like. Whatever is left out is not there, and everything goes together with everything.

/** Slots from `from` to before `to`. */
export type Block = { readonly from: number; readonly to: number };

export type WorldSpec = {
  /** Requests a second, of all callers and all gateways together. */
  readonly rate: number;
  /** The rate goes up and down by the part `depth`, from a random moment on. */
  readonly cycle?: { readonly periodS: number; readonly depth: number };
  /** Seconds without any request. */
  readonly silences?: readonly Block[];
  /** `random`: every request is a unit of its own, with a slot of its own. */
  readonly callers: CallersSpec | 'random';
  /** One, when left out. */
  readonly gateways?: { readonly count: number; readonly isSticky?: boolean };
  readonly errors?: ErrorsSpec;
  readonly latency?: LatencySpec;
  /** Whoever fails asks again in the next three seconds: so often, the first time included, on average. */
  readonly retries?: { readonly mean: number };
  /** What is different about the candidate; nothing when left out. */
  readonly candidate?: CandidateSpec;
  /** The block of another candidate, whose callers are in neither arm. */
  readonly other?: Block;
  readonly servers?: ServersSpec;
};

export type CallersSpec = {
  readonly count: number;
  /** How much each of them asks; `heavy` is the part of all requests that comes from the first one. */
  readonly activity?: 'uniform' | 'zipf' | { readonly heavy: number };
  /** The slots of the first callers; those of all others are random. */
  readonly slots?: readonly number[];
  /** The activity of each caller swings by up to `depth` (natural logarithm), set anew every `everyS`. */
  readonly shift?: { readonly periodS: number; readonly depth: number; readonly everyS: number };
};

export type ErrorsSpec = {
  /** The part of requests that fails, the mean of all callers; .5 % when left out. */
  readonly base?: number;
  /** How different callers are in that: sigma of the logarithm. */
  readonly sigma?: number;
  /** Callers, drawn at random, who also fail with probability `p`: a part of all, or so many. */
  readonly some?: readonly ({ readonly p: number } & ({ readonly part: number } | { readonly count: number }))[];
};

/** Log-normal; 20 ms and a sigma of .6, alike for all callers, when left out. */
export type LatencySpec = {
  readonly medianMs?: number;
  readonly sigma?: number;
  /** How different callers are in their median: sigma of the logarithm. */
  readonly between?: number;
};

export type CandidateSpec = {
  /** The probability that a request fails for this alone. */
  readonly errors?: number;
  /** How many times as slow it is. */
  readonly slower?: number;
  /** Since which second, or in which seconds, it fails and is slow; always when left out. */
  readonly when?: number | ((at: number) => boolean);
  /** Its first answers take `times` as long. `isTimedWarm`: the latency of its first 20 answers does not count. */
  readonly cold?: { readonly answers: number; readonly times: number; readonly isTimedWarm?: boolean };
};

export type ServersSpec = {
  /** Called c1, c2, ... and b1, b2, ..., or s1, s2, ... where both versions are on the same ones. */
  readonly pools: { readonly candidate: number; readonly baseline: number } | { readonly shared: number };
  /** What happens to every server alike, to each at other times. */
  readonly pauses?: readonly Pauses[];
  readonly events?: readonly ServerEvent[];
  /** 1 s when left out. */
  readonly timeoutMs?: number;
};

/**
 * What a server does: `freeze`, requests wait until the end; `down`, they are server faults; `fail`, a part of them fails as
 * if by the model.
 */
export type FaultKind = 'freeze' | 'down' | 'fail';

/** On average every `everyS` at random, or exactly every `everyS` from a random moment on. */
export type Pauses = {
  readonly lengthS: number;
  readonly everyS: number;
  readonly isRegular?: boolean;
  readonly kind?: FaultKind;
};

/** At one server, or at all of them at once. */
export type ServerEvent = {
  readonly kind: FaultKind;
  readonly at: number;
  readonly lengthS: number;
  readonly server?: string;
  /** Of the requests while it fails; all when left out. */
  readonly part?: number;
};
