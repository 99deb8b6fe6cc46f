// How moves of rollouts are made to last, take effect and are told.
import { documentOf } from '../judge/rollout/document.ts';
import { rolledBackIds } from '../judge/rollout/ledger.ts';
import { type Action, phaseText } from '../judge/rollout/move.ts';
import type { RolloutState } from '../judge/rollout/state.ts';
import type { KnownRollouts } from '../store/store.ts';
import { diskFailed, type Ordered, type PerTickDeps } from './orders.ts';

type MovesDeps = Pick<PerTickDeps, 'rollouts' | 'store' | 'tell' | 'onTrouble'> & {
  /** Takes over what other gateways have stored. */
  readonly learn: (known: KnownRollouts) => void;
};

export class Moves {
  readonly #deps: MovesDeps;

  constructor(deps: MovesDeps) {
    this.#deps = deps;
  }

  /** A rollback that the disk refused is effective already; it is tried again until it lasts. */
  async latchAll(): Promise<void> {
    const { rollouts, store } = this.#deps;
    const { rolledBack } = store.known();
    for (const id of rolledBackIds(rollouts.ledger)) {
      const state = rollouts.ledger.get(id);
      if (!rolledBack.has(id)) await store.rollBack(id, state && documentOf(state));
    }
  }

  /** The policy has named a promoted version, and no move will say so: a later edit must not make it take over again. */
  async keepNamed(): Promise<void> {
    const { rollouts, store } = this.#deps;
    const { documents } = store.known();
    for (const state of rollouts.ledger.values()) {
      const epoch = documents.get(state.id)?.epoch ?? 0;
      const isKept = state.phase.name !== 'promoted' || !state.phase.isNamed || state.epoch <= epoch;
      if (!isKept) await store.advance(documentOf(state), epoch);
    }
  }

  /** Makes a move last and effective: what takes callers away is effective at once, all else only when everyone agrees on it. */
  async make(before: RolloutState, next: RolloutState, actions: readonly Action[]): Promise<Ordered> {
    if (next.phase.name === 'rolled_back') return this.#leave(next, actions);
    const { rollouts, store } = this.#deps;
    const isAway = next.phase.name === 'suspended';
    if (isAway) rollouts.set(next);
    const kept = await store.advance(documentOf(next), before.epoch).catch(diskFailed);
    if (kept.kind === 'conflict') {
      // What the other gateway moved to holds here too, also where it has the epoch of the move that was refused.
      if (isAway && rollouts.ledger.get(next.id) === next) rollouts.set(before);
      this.#deps.learn(store.known());
      const { id, phase, epoch } = rollouts.ledger.get(next.id) ?? before;
      const sentence = `another gateway was first: rollout ${id} is ${phaseText(phase)}, and its epoch is ${epoch}`;
      return { kind: 'outdated', sentence };
    }
    if (kept.kind === 'unavailable' && !isAway) return { kind: 'unavailable', sentence: kept.reason };
    const isShared = kept.kind !== 'unavailable';
    const moved = isShared ? next : await this.#keepHere(next);
    const state = rollouts.settle(moved);
    await this.tell(actions, moved, isShared);
    return { kind: 'done', state, isShared };
  }

  /**
   * The store is away: a suspension holds at this gateway, also after a restart, and is shared when the store is back. Its epoch
   * is one more than a move's, so that it is ahead of a move that others agree on before they hear of it.
   */
  async #keepHere(next: RolloutState): Promise<RolloutState> {
    const { store, onTrouble } = this.#deps;
    const ahead = { ...next, epoch: next.epoch + 1 };
    await store.keep(documentOf(ahead)).catch(onTrouble);
    return ahead;
  }

  async #leave(next: RolloutState, actions: readonly Action[]): Promise<Ordered> {
    const { rollouts, store, onTrouble } = this.#deps;
    rollouts.set(next);
    try {
      const { shared } = await store.rollBack(next.id, documentOf(next));
      await this.tell(actions, next, shared);
      return { kind: 'done', state: next, isShared: shared };
    } catch (error) {
      onTrouble(error);
      const isShared = !store.known().pending.store.has(next.id);
      await this.tell(actions, next, isShared);
      const where = isShared ? '' : ' at this gateway only';
      return {
        kind: 'unavailable',
        sentence: `the rollback is in effect${where}, but the disk of this gateway does not take it: it is written again every second`,
      };
    }
  }

  /** Tells everyone who is to hear of it, one after the other. */
  async tell(actions: readonly Action[], state: RolloutState, isShared: boolean): Promise<void> {
    for (const action of actions) await this.#deps.tell(action, state, isShared).catch(this.#deps.onTrouble);
  }
}
