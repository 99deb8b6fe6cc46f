// What this gateway counts for every rollout of the policy in force.
import type { Answer, Facts, Sorted } from '../flow.ts';
import { Arms } from '../judge/evidence/arms.ts';
import { addComparisons, type Comparisons, NO_COMPARISONS } from '../judge/evidence/disagreement.ts';
import type { Traffic } from '../judge/evidence/tally.ts';
import { addTick, sumOf } from '../judge/evidence/window.ts';
import type { RolloutState } from '../judge/rollout/state.ts';
import type { Policy, Rollout, ServedModel, Version } from '../policy/policy.ts';
import { coinOf } from './served-models.ts';
import { QUIET, type Seen, type Watched, watch } from './watched.ts';

/** How long the baseline's latencies are remembered, for the edges of slowness. */
const RECENT_MS = 5 * 60_000;

export class Counting {
  readonly #stateOf: (model: string, rollout: Rollout) => RolloutState | undefined;
  #watched: ReadonlyMap<string, readonly Watched[]> = new Map();

  /** `stateOf` has the state of a rollout now; undefined where its id is refused. */
  constructor(stateOf: (model: string, rollout: Rollout) => RolloutState | undefined) {
    this.#stateOf = stateOf;
  }

  get all(): readonly Watched[] {
    return [...this.#watched.values()].flat();
  }

  of(model: string): readonly Watched[] {
    return this.#watched.get(model) ?? [];
  }

  /** Takes over another policy. What was counted for a rollout that it still has stays. */
  follow({ onTrial }: Policy): void {
    const before = new Map(this.all.map((watched) => [watched.rollout.id, watched]));
    this.#watched = new Map(
      onTrial
        .filter(({ rollouts }) => rollouts.length > 0)
        .map(({ name, rollouts }) => [name, rollouts.map((rollout) => watch(name, rollout, before.get(rollout.id)))]),
    );
  }

  /** Callers of a model are sorted by these states from now on; where not alike, what was counted says nothing any more. */
  sort(model: ServedModel, states: readonly RolloutState[], isAlike: boolean): void {
    for (const watched of this.of(model.name)) {
      const isPromoted = states.some(({ id, phase }) => id === watched.rollout.id && phase.name === 'promoted');
      watched.baselineArm = isPromoted ? 'candidate' : 'baseline';
      watched.coin = isPromoted ? 0 : coinOf(model, watched.rollout.id);
      if (!isAlike) watched.arms?.restart();
    }
  }

  /** Takes in an answer that the rollouts' rule led to. */
  count(model: string, { rollout, unitId }: Sorted, { id, body }: Pick<Facts, 'id' | 'body'>, answer: Answer): void {
    const watchedOfModel = this.#watched.get(model);
    if (watchedOfModel === undefined) return;
    const { firstClass, firstFault, firstServerClass = 'cpu', latencyMs, isWarm } = answer;
    const heard = {
      id,
      unit: unitId,
      class: firstClass,
      fault: firstFault,
      latencyMs,
      serverClass: firstServerClass,
      isWarm,
    };
    for (const watched of watchedOfModel) {
      const arm = rollout === undefined ? watched.baselineArm : 'candidate';
      if (rollout !== undefined && rollout !== watched.rollout.id) continue;
      watched.arms ??= this.#armsFor(watched);
      watched.arms?.count(arm, heard, body);
    }
  }

  /** Takes in pairs that were compared: of a version in shadow beside the version that answered. */
  countCompared(model: string, candidate: string, comparisons: Comparisons): void {
    for (const watched of this.#watched.get(model) ?? [])
      if (watched.rollout.candidate.label === candidate)
        watched.comparisons = addComparisons(watched.comparisons, comparisons);
  }

  /**
   * What every rollout of the policy showed since the last call; `nowMs` is on a monotonic clock. A candidate that is
   * `withheld` gives its callers to the baseline, so what was counted meanwhile compares nothing.
   */
  take(nowMs: number, withheld: ReadonlyMap<Version, string> = new Map()): Seen[] {
    return this.all.flatMap((watched) => {
      const state = this.#stateOf(watched.model, watched.rollout);
      if (state === undefined) return [];
      const elapsedMs = nowMs - (watched.takenAt || nowMs);
      watched.takenAt = nowMs;
      const counted = watched.arms?.take(watched.coin) ?? QUIET;
      const traffic = withheld.has(watched.rollout.candidate) ? QUIET : counted;
      if (watched.arms !== undefined)
        watched.window = addTick(watched.window, nowMs, counted.baseline.histograms, RECENT_MS);
      const { rollout, comparisons, window, memory } = watched;
      watched.comparisons = NO_COMPARISONS;
      const observe = (all: Traffic) => memory.observe(all, state, rollout, elapsedMs);
      return [{ rollout, state, traffic, comparisons, recent: () => sumOf(window), elapsedMs, observe }];
    });
  }

  /** Counts on as the states ask; after every tick. */
  followStates(): void {
    for (const watched of this.all) {
      const state = this.#stateOf(watched.model, watched.rollout);
      if (state !== undefined) watched.arms?.follow(state, watched.rollout);
    }
  }

  #armsFor({ model, rollout }: Watched): Arms | undefined {
    const state = this.#stateOf(model, rollout);
    if (state === undefined) return undefined;
    const arms = new Arms();
    arms.follow(state, rollout);
    return arms;
  }
}
