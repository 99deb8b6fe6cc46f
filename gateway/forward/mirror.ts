// Copies of requests to versions in shadow. A copy starts when the caller's answer is on its way, over connections of its
// own, and whatever becomes of it, the caller and what is known of the servers that answer callers stay untouched.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Facts, Pair, Side } from '../flow.ts';
import { pathOf } from '../policy/paths.ts';
import type { Policy, Shadow, Version } from '../policy/policy.ts';
import { Fleet } from './fleet.ts';
import { type Drop, type Ending, type LaneCounts, MirrorLane } from './mirror-lane.ts';
import { send } from './send.ts';

const SWEEP_MS = 250;
const LAST_ANSWERS_MS = 1000;
/** Tells a server that nobody waits for the answer, and for which shadow it is. */
const SHADOW_HEADER = 'x-sluice-shadow';
/** Of the caller's headers these are always copied: without them the body cannot be read. */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  'content-type',
  'content-encoding',
  'inference-header-content-length',
  'accept',
]);

/** A request that was answered and is to be copied. */
export type Original = {
  readonly facts: Facts;
  /** The version that answered. */
  readonly version: Version;
  readonly answer: Answer;
  readonly unit: string | undefined;
  readonly tier: string | undefined;
};

export type MirrorDeps = {
  /** Takes what is to be compared; must neither wait nor throw. */
  readonly onPair: (pair: Pair) => void;
  /** Whether the gateway has more to do than it should: then copies are the first to go. */
  readonly isBusy: () => boolean;
  /** The SHA-256 of a version's model file, as far as it is known. */
  readonly digestOf: (version: Version) => string | undefined;
};

/** Sends copies. Stops with `close`. */
export class Mirror {
  readonly #deps: MirrorDeps;
  /** Of its own: connections, loads and health of the copies are no business of those that answer callers. */
  readonly #fleet: Fleet;
  readonly #lanes = new Map<string, MirrorLane>();
  readonly #timer: NodeJS.Timeout;

  constructor(policy: Policy, deps: MirrorDeps) {
    this.#deps = deps;
    this.#fleet = new Fleet(policy);
    this.#timer = setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref();
    this.update(policy);
  }

  /** Takes over another policy. A shadow that stays keeps its counts, and stays paused when it was. */
  update(policy: Policy): void {
    this.#fleet.update(policy);
    for (const { name, shadows } of policy.onTrial)
      for (const shadow of shadows) this.laneOf(name, shadow).budget = shadow.budget;
  }

  /** The lane of a model's shadow. */
  laneOf(model: string, { name, budget }: Shadow): MirrorLane {
    const key = `${model}/${name}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new MirrorLane(budget);
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  /** What became of the copies for each shadow that this gateway has known, by model and name. */
  counts(): ReadonlyMap<string, LaneCounts> {
    return new Map([...this.#lanes].map(([key, lane]) => [key, lane.counts()]));
  }

  /**
   * Offers a copy of a request to a version in shadow; undefined when it is no version now. With `isRepeated` the version
   * that answered is asked once more too.
   */
  offer(original: Original, shadow: Shadow, target: Version | undefined, isRepeated: boolean): void {
    const { facts, version, answer } = original;
    const lane = this.laneOf(version.model, shadow);
    const path = target === undefined || facts.call === 'opaque' ? undefined : pathOf(target, facts.call);
    const drop = this.#whyNot(answer, target, path);
    if (drop !== undefined || target === undefined || path === undefined) {
      lane.refuse(drop ?? 'no_path');
      return;
    }
    const copied = copyOf(facts, shadow.headers);
    const ownPath = isRepeated && facts.call !== 'opaque' ? pathOf(version, facts.call) : undefined;
    lane.offer({
      bytes: facts.body.length + answer.body.length,
      at: performance.now(),
      run: async () => {
        const marks = [SHADOW_HEADER, shadow.name];
        const ask = (of: Version, at: string) => send(this.#fleet.placementOf(of), at, copied, NOT_LEAVING, { marks });
        const again = ownPath === undefined ? undefined : ask(version, ownPath);
        const candidate = await ask(target, path);
        const noise = await again;
        this.#deps.onPair(
          pairOf(original, shadow, {
            baseline: this.#sideOf(version, answer),
            candidate: this.#sideOf(target, candidate),
            noise: noise && this.#sideOf(version, noise),
          }),
        );
        return endingOf(candidate);
      },
    });
  }

  /** Drops what waits, and waits for what is in flight. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const lane of this.#lanes.values()) {
      lane.isPaused = true;
      lane.empty('closing');
    }
    // What callers got is written by now; a shadow that is slow or frozen must not hold the end up.
    await Promise.race([this.#fleet.close(), sleep(LAST_ANSWERS_MS)]);
    await this.#fleet.destroy();
  }

  #whyNot(answer: Answer, target: Version | undefined, path: string | undefined): Drop | undefined {
    if (answer.class === 'client_left') return 'client_left';
    if (answer.class === 'shed') return 'shed'; // there is nothing to compare with, and enough to do
    if (target === undefined) return 'no_version';
    if (path === undefined) return 'no_path';
    return this.#deps.isBusy() ? 'overload' : undefined;
  }

  #sweep(now: number): void {
    for (const lane of this.#lanes.values()) lane.sweep(now);
  }

  #sideOf(version: Version, { status, fault, headers, body, latencyMs, server }: Answer): Side {
    return {
      version: version.label,
      status,
      fault,
      contentType: String(headers['content-type'] ?? ''),
      headerLength: lengthIn(headers),
      body,
      latencyMs,
      server: server ?? '',
      digest: this.#deps.digestOf(version),
    };
  }
}

const NOT_LEAVING = (): void => {};

/** The request as servers in shadow see it: the body itself, and of the headers what belongs to it and what the policy names. */
function copyOf({ id, model, call, pin, rawHeaders, body }: Facts, named: readonly string[]): Facts {
  const copied: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (OF_THE_BODY.has(name) || named.includes(name)) copied.push(name, rawHeaders[i + 1] as string);
  }
  return { id, model, call, pin, headers: NO_HEADERS, rawHeaders: copied, body };
}

const NO_HEADERS: Facts['headers'] = {};

function pairOf(
  { facts, version, unit, tier }: Original,
  { name, compare }: Shadow,
  sides: Pick<Pair, 'baseline' | 'candidate' | 'noise'>,
): Pair {
  return {
    id: facts.id,
    model: version.model,
    shadow: name,
    at: Date.now(),
    unit,
    slices: slicesOf(facts, compare.slices, tier),
    baseline: sides.baseline,
    candidate: sides.candidate,
    noise: sides.noise,
    request:
      compare.keep === undefined || compare.keep.requestFields.length === 0
        ? undefined
        : { body: facts.body, headerLength: lengthIn(facts.headers) },
  };
}

function slicesOf({ headers }: Facts, names: readonly string[], tier: string | undefined): Pair['slices'] {
  if (names.length === 0 && tier === undefined) return undefined;
  const slices: Record<string, string> = tier === undefined ? {} : { tier };
  for (const name of names) {
    const value = headers[name];
    if (typeof value === 'string') slices[name] = value;
  }
  return slices;
}

/** Bytes of JSON before binary tensors. */
function lengthIn(headers: Facts['headers']): number | undefined {
  const length = headers['inference-header-content-length'];
  return length === undefined ? undefined : Number(length);
}

function endingOf({ fault }: Answer): Ending {
  if (fault === undefined) return 'answered';
  return fault === 'deadline' ? 'timed_out' : 'failed';
}
