// Copies of requests to versions in shadow. A copy starts when the caller's answer is on its way, over connections of its
// own, and whatever becomes of it, the caller and what is known of the servers that answer callers stay untouched.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Pair } from '../../flow.ts';
import { pathOf } from '../../policy/paths.ts';
import type { Policy, Shadow, Version } from '../../policy/policy.ts';
import { withoutSecrets } from '../../policy/secrets.ts';
import { Fleet } from '../fleet/fleet.ts';
import { responseHeaders } from '../headers.ts';
import { type SendOptions, send } from '../send.ts';
import { Tap, type TapRoom } from '../tap.ts';
import { copyOf, SHADOW_HEADER } from './copy.ts';
import { type Drop, type Ending, type Job, type LaneCounts, MirrorLane } from './mirror-lane.ts';
import type { Original } from './original.ts';
import { pairOf, sideOf } from './pair.ts';

const SWEEP_MS = 250;
const LAST_ANSWERS_MS = 1000;
/** Bytes of streamed requests and answers that are kept at one time until their callers have been served. */
const MOST_TAPPED_BYTES = 64 * 1024 * 1024;

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
  #isClosed = false;
  readonly #room: TapRoom = { bytes: 0, most: MOST_TAPPED_BYTES };
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

  /** Stops the copies of these shadows, `model/name`, and of no others. What waits for them is dropped. */
  pause(shadows: ReadonlySet<string>): void {
    if (this.#isClosed) return;
    for (const [key, lane] of this.#lanes) {
      const isPaused = shadows.has(key);
      if (isPaused && !lane.isPaused) lane.empty('paused');
      lane.isPaused = isPaused;
    }
  }

  /** What became of the copies for each shadow that this gateway has known, by model and name. */
  counts(): ReadonlyMap<string, LaneCounts> {
    return new Map([...this.#lanes].map(([key, lane]) => [key, lane.counts()]));
  }

  /** What keeps a streamed request that is to be copied. */
  tap(): Tap {
    return new Tap(this.#room);
  }

  /** Offers copies of a request that was answered. With `isRepeated` the version that answered is asked once more too. */
  offer(
    original: Original,
    copies: readonly { shadow: Shadow; target: Version | undefined; isRepeated: boolean }[],
  ): void {
    const whole = wholeOf(original);
    for (const { shadow, target, isRepeated } of copies) {
      const lane = this.laneOf(original.version.model, shadow);
      const why = this.#whyNot(original, whole, target);
      if (why !== undefined) lane.refuse(why);
      else if (whole !== undefined && target !== undefined) lane.offer(this.#jobFor(whole, shadow, target, isRepeated));
    }
  }

  #jobFor(original: Original, shadow: Shadow, target: Version, isRepeated: boolean): Job {
    const { facts, version, answer, streamed } = original;
    const copied = copyOf(facts, shadow.headers);
    const options: SendOptions = { marks: [SHADOW_HEADER, shadow.name], ...(streamed && { method: streamed.method }) };
    const ask = (of: Version) =>
      send(this.#fleet.placementOf(of), pathAt(of, original) ?? '', copied, NOT_LEAVING, options);
    // What may not be sent twice is not asked again for the sake of comparing.
    const isAgain = isRepeated && version.resending.isIdempotent && pathAt(version, original) !== undefined;
    return {
      bytes: facts.body.length + answer.body.length,
      at: performance.now(),
      run: async () => {
        const again = isAgain ? ask(version) : undefined;
        const candidate = await ask(target);
        const noise = await again;
        // What this gateway itself refused to take or to send says nothing about the candidate.
        if (candidate.class === 'own_limit' || candidate.class === 'shed') return endingOf(candidate);
        const side = (of: Version, said: Answer) => sideOf(of, said, this.#deps.digestOf(of));
        this.#deps.onPair(
          pairOf(original, shadow, {
            baseline: side(version, answer),
            candidate: side(target, candidate),
            noise: noise && side(version, noise),
          }),
        );
        return endingOf(candidate);
      },
    };
  }

  /** Drops what waits, and waits for what is in flight. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const lane of this.#lanes.values()) {
      lane.isPaused = true;
      lane.empty('closing');
    }
    // What callers got is written by now; a shadow that is slow or frozen must not hold the end up.
    await Promise.race([this.#fleet.close(), sleep(LAST_ANSWERS_MS)]);
    await this.#fleet.destroy();
  }

  #whyNot(original: Original, whole: Original | undefined, target: Version | undefined): Drop | undefined {
    if (original.answer.class === 'client_left') return 'client_left';
    if (original.answer.class === 'shed') return 'shed'; // there is nothing to compare with, and enough to do
    if (target === undefined) return 'no_version';
    if (pathAt(target, original) === undefined) return 'no_path';
    if (whole === undefined) return original.streamed?.tap.isComplete ? 'too_large' : 'incomplete';
    return this.#deps.isBusy() ? 'overload' : undefined;
  }

  #sweep(now: number): void {
    for (const lane of this.#lanes.values()) lane.sweep(now);
  }
}

const NOT_LEAVING = (): void => {};

/** Where a version takes such a request; undefined where its protocol has no such call. */
function pathAt(version: Version, { facts, streamed }: Original): string | undefined {
  if (facts.call !== 'opaque') return pathOf(version, facts.call);
  return version.protocol === 'http' && streamed !== undefined ? withoutSecrets(streamed.path) : undefined;
}

/** The request with its bodies, which of a streamed one were kept as they passed; undefined when they were too large. */
function wholeOf(original: Original): Original | undefined {
  const { facts, answer, streamed } = original;
  if (streamed === undefined) return original;
  const recorded = streamed.tap.end();
  if (recorded === undefined) return undefined;
  const whole = { ...original, facts: { ...facts, body: recorded.request } };
  if (!answer.isDelivered) return whole; // the gateway's own words are in the answer
  const headers = responseHeaders(recorded.headers, 'inference');
  return { ...whole, answer: { ...answer, headers, body: recorded.response, latencyMs: recorded.tookMs } };
}

function endingOf({ fault }: Answer): Ending {
  if (fault === undefined) return 'answered';
  return fault === 'deadline' ? 'timed_out' : 'failed';
}
