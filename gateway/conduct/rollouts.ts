// What this gateway knows of every rollout, and what follows from it for requests: worked out when a state or the policy
// changes, so that a decision reads nothing new. It is all in memory; per-tick.ts makes it last.
import type { Answer, Facts, Sorted } from '../flow.ts';
import type { Comparisons } from '../judge/evidence/disagreement.ts';
import {
  byModel,
  enrol,
  isAhead,
  type Ledger,
  latch,
  merge,
  type Refusal,
  rolledBackIds,
} from '../judge/rollout/ledger.ts';
import { viewOf } from '../judge/rollout/live.ts';
import type { RolloutState } from '../judge/rollout/state.ts';
import type { Model, Policy, Rollout, ServedModel, Version } from '../policy/policy.ts';
import { Counting } from './counting.ts';
import { asServed, concerned, servedIn, sortingOf } from './served-models.ts';
import { type Held, isFinal, isGuardTimeOnly, isNews, NO_STATES, type Seen } from './watched.ts';

const UNREAD = 'may be rolled back elsewhere: until the store was read, only baselines are served';

/** States of rollouts, the models as they are served by them, and the counts of this gateway. */
export class Rollouts {
  #policy: Policy;
  #ledger = new Map<string, RolloutState>();
  #wasRead = false;
  #models = new Map<string, Model>();
  #outOfService = new Map<Version, string>();
  readonly #counting = new Counting((model, rollout) => this.#stateOf(model, rollout));
  #refusals: readonly Refusal[] = [];
  /** Rollouts whose stored state cannot be read, and those in whose judging an exception was thrown. */
  #unreadable: ReadonlyMap<string, string> = new Map();
  #failed = new Map<string, string>();
  /** Grows when callers are sorted anew, so that answers to requests that were sorted before can be recognized. */
  #stamp = 0;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.follow(policy);
  }

  /** The models of the policy with their live blocks and effective baselines. */
  get models(): ReadonlyMap<string, Model> {
    return this.#models;
  }

  /** Versions that no pin, arm or tier may lead to, with the reason. */
  get outOfService(): ReadonlyMap<Version, string> {
    return this.#outOfService;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** Rollouts of the policy that may not start, and why. */
  get refusals(): readonly Refusal[] {
    return this.#refusals;
  }

  /** Rollouts that are held on their baselines because no one can judge them. */
  get held(): readonly Held[] {
    return [...this.#failed, ...this.#unreadable].map(([id, sentence]) => ({ id, sentence }));
  }

  /** Whether the stored state of a rollout cannot be read. */
  isUnreadable(id: string): boolean {
    return this.#unreadable.has(id);
  }

  /** Whether a rollout is held on its baseline because no one can judge it. */
  isHeld(id: string): boolean {
    return this.#unreadable.has(id) || this.#failed.has(id);
  }

  /** An exception in judging a rollout: its callers are with the baseline until it can be judged again; undefined says it can. */
  noteFailed(id: string, sentence: string | undefined): void {
    if (this.#failed.get(id) === sentence) return;
    if (sentence === undefined) this.#failed.delete(id);
    else this.#failed.set(id, sentence);
    this.#become(this.#ledger);
  }

  /** The rollouts of the policy, with their states. */
  get current(): readonly { readonly rollout: Rollout; readonly state: RolloutState }[] {
    return this.#counting.all.flatMap(({ model, rollout }) => {
      const state = this.#stateOf(model, rollout);
      return state === undefined ? [] : [{ rollout, state }];
    });
  }

  /** All rollouts of the model that a rollout belongs to, itself among them. */
  besides({ candidate }: Rollout): readonly Rollout[] {
    return this.#counting.of(candidate.model).map(({ rollout }) => rollout);
  }

  /** The version that the candidate's callers go back to; undefined when the policy has lost it. */
  baselineFor({ id, candidate }: Rollout): Version | undefined {
    const model = this.#policy.models.get(candidate.model);
    const label = this.#ledger.get(id)?.baseline;
    return model?.kind === 'served' && label !== undefined ? model.versions.get(label) : undefined;
  }

  /** Takes over another policy. What is known of a rollout that it still has stays known. */
  follow(policy: Policy): void {
    this.#policy = policy;
    const { ledger, refusals } = enrol(this.#ledger, concerned(policy, this.#ledger));
    this.#refusals = refusals;
    this.#counting.follow(policy);
    this.#become(ledger);
  }

  /** The store was read: from now on candidates may be served. */
  trust(): void {
    if (this.#wasRead) return;
    this.#wasRead = true;
    this.follow(this.#policy);
  }

  /** A move, or one more tick, of this gateway's own. */
  set(state: RolloutState): void {
    const before = this.#ledger.get(state.id);
    this.#ledger.set(state.id, state);
    if (before?.phase === state.phase || isGuardTimeOnly(before, state)) return;
    const model = this.#policy.models.get(state.model);
    if (model?.kind !== 'served') return;
    // One model, and the ladders that it may be a rung of: with thousands of models the others must cost nothing.
    this.#serve(
      model,
      [...this.#ledger.values()].filter((other) => other.model === model.name),
    );
    this.#serveLadders();
  }

  /** A move that took a while: what was heard of others meanwhile and is ahead of it stays. Returns what holds now. */
  settle(state: RolloutState): RolloutState {
    const now = this.#ledger.get(state.id);
    if (now !== undefined && now !== state && isAhead(now, state)) return now;
    this.set(state);
    return state;
  }

  /**
   * What others know: a rollback is never undone, a higher epoch is right, and this gateway's own evidence stays. Of
   * `unreadable` ids there is a state that this gateway cannot read, with its epoch.
   */
  learn(
    states: readonly RolloutState[],
    rolledBack: Iterable<string>,
    at: string,
    unreadable: readonly (Held & { readonly epoch: number })[] = [],
  ): void {
    this.#noteUnreadable(unreadable);
    const news = states.filter((state) => isNews(state, this.#ledger.get(state.id)));
    const known = new Set(rolledBackIds(this.#ledger));
    const left = [...rolledBack].filter((id) => !known.has(id));
    if (news.length + left.length === 0) return;
    this.#ledger = new Map(latch(merge(this.#ledger, new Map(news.map((state) => [state.id, state]))), left, at));
    this.follow(this.#policy); // a rollout of which only the id was known may now have a name
  }

  /** Takes in an answer that the rollouts' rule led to. */
  count(model: string, sorted: Sorted, facts: Pick<Facts, 'id' | 'body'>, answer: Answer): void {
    const served = this.#models.get(model);
    // Callers were sorted anew since: who was in which arm then says nothing of the arms now.
    if (served?.kind === 'served' && served.stamp === sorted.view) this.#counting.count(model, sorted, facts, answer);
  }

  /** Takes in pairs that were compared: of a version in shadow beside the version that answered. */
  countCompared(model: string, candidate: string, comparisons: Comparisons): void {
    this.#counting.countCompared(model, candidate, comparisons);
  }

  /**
   * What every rollout of the policy showed since the last call; `nowMs` is on a monotonic clock. A candidate that is
   * `withheld` gives its callers to the baseline, so what was counted meanwhile compares nothing.
   */
  take(nowMs: number, withheld: ReadonlyMap<Version, string> = new Map()): Seen[] {
    return this.#counting.take(nowMs, withheld);
  }

  /** Counts on as the states ask; after every tick. */
  followStates(): void {
    this.#counting.followStates();
  }

  #noteUnreadable(unreadable: readonly (Held & { readonly epoch: number })[]): void {
    const isBehind = ({ id, epoch }: { id: string; epoch: number }) => {
      const own = this.#ledger.get(id);
      return own !== undefined && own.epoch > 0 && own.epoch >= epoch && own.model !== '';
    };
    const held = new Map(unreadable.filter((each) => !isBehind(each)).map(({ id, sentence }) => [id, sentence]));
    if (JSON.stringify([...held]) === JSON.stringify([...this.#unreadable])) return;
    this.#unreadable = held;
    this.#become(this.#ledger);
  }

  /** Undefined where the id is refused: it belongs to another candidate. */
  #stateOf(model: string, { id, candidate }: Rollout): RolloutState | undefined {
    const state = this.#ledger.get(id);
    return state?.model === model && state.candidate === candidate.label ? state : undefined;
  }

  #become(ledger: Ledger): void {
    this.#ledger = new Map(ledger);
    const before = this.#models;
    this.#models = new Map(this.#policy.models);
    this.#outOfService = new Map();
    const states = byModel(ledger);
    const models = this.#wasRead ? concerned(this.#policy, ledger) : servedIn(this.#policy);
    for (const model of models) this.#serve(model, states.get(model.name) ?? NO_STATES, before.get(model.name));
    this.#serveLadders();
  }

  #serve(model: ServedModel, states: readonly RolloutState[], before = this.#models.get(model.name)): void {
    const known = this.#wasRead ? states : states.filter(isFinal);
    const view = viewOf(
      model,
      known.filter(({ id, phase }) => !this.isHeld(id) || phase.name === 'promoted' || phase.name === 'rolled_back'),
      ++this.#stamp,
    );
    // A move of another model's rollout sorts no one anew: what was counted goes on.
    const isAlike = sortingOf(before) === sortingOf(view.model);
    const served = isAlike && before?.kind === 'served' ? { ...view.model, stamp: before.stamp } : view.model;
    this.#models.set(model.name, served);
    for (const version of model.versions.values()) {
      if (view.outOfService.has(version.label)) this.#outOfService.set(version, 'was rolled back');
      else if (!this.#wasRead && version !== view.model.baseline) this.#outOfService.set(version, UNREAD);
      else this.#outOfService.delete(version);
    }
    this.#counting.sort(view.model, states, isAlike);
  }

  #serveLadders(): void {
    for (const ladder of this.#policy.ladders) this.#models.set(ladder.name, asServed(ladder, this.#models));
  }
}
