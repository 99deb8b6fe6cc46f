// The conductor of the judge: every second what was counted is judged, and what follows is made to last and told. Orders of
// people and alerts go the same way. It decides nothing itself.
import { unlessReportedByStore } from '../errors.ts';
import type { Moment, Observation } from '../judge/evidence/observation.ts';
import { type Alert, heed, type Ignored } from '../judge/rollout/alert.ts';
import { documentOf, readDocument, type StateDocument } from '../judge/rollout/document.ts';
import { rolledBackIds } from '../judge/rollout/ledger.ts';
import { type Action, type Advance, phaseText } from '../judge/rollout/move.ts';
import { type Expected, type Order, obey } from '../judge/rollout/order.ts';
import { advance } from '../judge/rollout/rollout.ts';
import type { RolloutState } from '../judge/rollout/state.ts';
import type { Rollout, Version } from '../policy/policy.ts';
import type { KnownRollouts, RolloutStates } from '../store/store.ts';
import { takingTurns } from '../store/turns.ts';
import type { Replicas } from './replicas.ts';
import type { Held, Rollouts, Seen } from './rollouts.ts';
import { heldBy, Unjudged } from './unjudged.ts';

const TICK_MS = 1000;
/** As much of a step's time and evidence a crash may cost. */
const SAVE_MS = 10_000;

export type PerTickDeps = {
  readonly rollouts: Rollouts;
  readonly store: RolloutStates;
  /** What other gateways count; undefined where there is none. */
  readonly replicas: Replicas | undefined;
  readonly withheld: () => ReadonlyMap<Version, string>;
  /**
   * The parts of the traffic that the candidate's servers, and the baseline's, are enough for; whether the former are warm, and
   * whether the latter have answered anyone.
   */
  readonly serversOf: (rollout: Rollout) => Pick<Observation, 'capacity' | 'room' | 'isWarm' | 'isAsked'>;
  /** Candidates that are to be warmed up with copies of real requests. */
  readonly warmUp: (rollouts: readonly Rollout[]) => void;
  /** What was gathered since the last move, over a restart; `load` gives what was saved last. */
  readonly progress: {
    readonly load: () => Promise<readonly unknown[]>;
    readonly save: (documents: readonly StateDocument[]) => Promise<void>;
  };
  /** Whether the judge may move rollouts; false is the kill switch. */
  readonly isAutomatic: boolean;
  /** Hears of every move, after it is in effect, and whether the other gateways can see it; resolves when it is on record. */
  readonly tell: (action: Action, state: RolloutState, isShared: boolean) => Promise<void>;
  readonly onTrouble: (error: unknown) => void;
  /** Hears of rollouts that are held on their baselines because no one can judge them, and when that is over. */
  readonly onHeld: (held: Held, isOver: boolean) => void;
};

/** What became of an order. */
export type Ordered =
  /** `isShared`: whether the other gateways can see it; otherwise it holds here, and they get it as soon as the store is back. */
  | { readonly kind: 'done'; readonly state: RolloutState; readonly isShared: boolean }
  | { readonly kind: 'refused'; readonly sentence: string }
  /** The rollout has moved since: another order, or another gateway, was first. */
  | { readonly kind: 'outdated'; readonly sentence: string }
  /** It could not be made to last, or not be agreed on with the other gateways. */
  | { readonly kind: 'unavailable'; readonly sentence: string };

/** Judges every second until it is closed. */
export class PerTick {
  readonly #deps: PerTickDeps;
  readonly #inTurn = takingTurns();
  #timer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> | undefined;
  #ticking: Promise<void> | undefined;
  #savedAt = 0;
  #hasResumed = false;
  #isClosed = false;
  readonly #unjudged: Unjudged;

  constructor(deps: PerTickDeps) {
    this.#deps = deps;
    this.#unjudged = new Unjudged(deps.rollouts, deps.onHeld);
  }

  /** Reads the store, ticks once so that the first callers find their candidates, and goes on every second. */
  async start(): Promise<void> {
    this.#learn(this.#deps.store.known());
    await this.#refresh();
    this.#resume(await this.#deps.progress.load());
    this.#deps.store.onHint(() => void this.#lookNow());
    await this.tick();
    if (this.#isClosed) return;
    this.#timer = setInterval(() => {
      void this.#refresh();
      void this.tick();
    }, TICK_MS).unref();
  }

  /** Judges what was counted since the last tick; one tick at a time. */
  async tick(): Promise<void> {
    if (this.#isClosed) return;
    this.#ticking ??= this.#inTurn(() => this.#judgeAll())
      .catch(this.#deps.onTrouble)
      .finally(() => {
        this.#ticking = undefined;
      });
    await this.#ticking;
  }

  /**
   * Carries out an order of a person. It is durable when this resolves with `done`. What is expected is checked when it is the
   * order's turn, and by the shared store, so of two orders for one epoch only one is carried out.
   */
  order(id: string, order: Order, expected: Expected = {}): Promise<Ordered> {
    return this.#inTurn(() => this.#obey(id, order, expected));
  }

  /** Carries out what follows from an alert; where nothing does, says why. */
  heed(alert: Alert): Promise<Ordered | { readonly kind: 'ignored'; readonly why: Ignored }> {
    return this.#inTurn(async () => {
      const heeded = heed(alert, this.#deps.rollouts.ledger);
      return 'ignored' in heeded ? { kind: 'ignored', why: heeded.ignored } : this.#obey(heeded.id, heeded.order);
    });
  }

  /** Stops; a move that is on its way is finished. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#ticking;
    await this.#inTurn(() => this.#save());
  }

  /** Polling is the truth between gateways; the store is asked once at a time, and nothing waits for it. */
  #refresh(): Promise<void> {
    const { store } = this.#deps;
    this.#refreshing ??= store
      .refresh()
      .catch((error: unknown) => {
        unlessReportedByStore(this.#deps.onTrouble)(error);
        return store.known(); // and this gateway goes on with what it knows
      })
      .then((known) => this.#learn(known))
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  /** Another gateway has moved a rollout: this one need not wait for its next look. */
  async #lookNow(): Promise<void> {
    await this.#refreshing; // which may have begun before the move
    await this.#refresh();
    if (!this.#isClosed) this.#deps.rollouts.followStates();
  }

  #learn({ documents, rolledBack, wasRead }: KnownRollouts): void {
    const { rollouts } = this.#deps;
    const read = [...documents.values()].map((document) => this.#unjudged.read(document));
    const states = read.flatMap((each) => ('state' in each ? [each.state] : []));
    const unreadable = read.flatMap((each) => ('state' in each || rolledBack.has(each.id) ? [] : [heldBy(each)]));
    rollouts.learn(states, rolledBack, new Date().toISOString(), unreadable);
    if (wasRead) rollouts.trust();
    this.#unjudged.report();
  }

  async #judgeAll(): Promise<void> {
    const { rollouts, store, isAutomatic, onTrouble } = this.#deps;
    await this.#latchAll().catch(onTrouble);
    await this.#keepNamed().catch(onTrouble);
    const { wasRead } = store.known();
    const now = performance.now();
    const withheld = this.#deps.withheld();
    const judged = rollouts.take(now, withheld);
    const isToBeWarm = ({ state, rollout }: Seen) => wantsWarmth(state) && !withheld.has(rollout.candidate);
    this.#deps.warmUp(judged.filter(isToBeWarm).map(({ rollout }) => rollout));
    for (const seen of judged) {
      const moment = { elapsedMs: seen.elapsedMs, at: new Date().toISOString(), isAutomatic: isAutomatic && wasRead };
      await this.#judge(seen, moment).catch(onTrouble); // the others go on
    }
    this.#unjudged.report();
    this.#deps.replicas?.keep(new Set([...rollouts.ledger.values()].map(sharedId)));
    rollouts.followStates();
    if (now - this.#savedAt >= SAVE_MS) await this.#save();
  }

  /** Goes on where this gateway was in a step; a move that happened since makes what it knew worthless. */
  #resume(saved: readonly unknown[]): void {
    this.#hasResumed = true;
    const { rollouts } = this.#deps;
    for (const state of saved.map(readDocument).flatMap((read) => ('state' in read ? [read.state] : []))) {
      const now = rollouts.ledger.get(state.id);
      if (now?.epoch === state.epoch && now.phase.name === state.phase.name && now.model === state.model)
        rollouts.set(state);
    }
  }

  async #save(): Promise<void> {
    if (!this.#hasResumed) return; // or what was saved before would be lost
    const { rollouts, progress, onTrouble } = this.#deps;
    this.#savedAt = performance.now();
    const states = rollouts.current.map(({ state }) => state).filter(({ phase }) => phase.name !== 'rolled_back');
    await progress.save(states.map(documentOf)).catch(onTrouble);
  }

  /** A rollback that the disk refused is effective already; it is tried again until it lasts. */
  async #latchAll(): Promise<void> {
    const { rollouts, store } = this.#deps;
    const { rolledBack } = store.known();
    for (const id of rolledBackIds(rollouts.ledger)) {
      const state = rollouts.ledger.get(id);
      if (!rolledBack.has(id)) await store.rollBack(id, state && documentOf(state));
    }
  }

  /** The policy has named a promoted version, and no move will say so: a later edit must not make it take over again. */
  async #keepNamed(): Promise<void> {
    const { rollouts, store } = this.#deps;
    const { documents } = store.known();
    for (const state of rollouts.ledger.values()) {
      const epoch = documents.get(state.id)?.epoch ?? 0;
      const isKept = state.phase.name !== 'promoted' || !state.phase.isNamed || state.epoch <= epoch;
      if (!isKept) await store.advance(documentOf(state), epoch);
    }
  }

  async #judge(seen: Seen, moment: Moment): Promise<void> {
    const { rollouts } = this.#deps;
    const state = rollouts.ledger.get(seen.rollout.id);
    if (state === undefined || rollouts.isUnreadable(state.id)) return;
    const judgeAt = this.#judgeOf(seen, state);
    const { state: next, actions } = judgeAt(moment);
    if (next.epoch === state.epoch) {
      rollouts.set(next);
      return this.#tell(actions, next, true);
    }
    const ordered = await this.#move(state, next, actions);
    // Without agreement nothing moves, but what was seen is kept.
    if (ordered.kind === 'unavailable' && rollouts.ledger.get(state.id) === state)
      rollouts.set(judgeAt({ ...moment, isAutomatic: false }).state);
  }

  /** What the judge makes of a tick. An exception holds the rollout on its baseline until it can be judged again. */
  #judgeOf({ rollout, traffic: own, comparisons, recent, observe }: Seen, state: RolloutState) {
    const { replicas, withheld, serversOf } = this.#deps;
    const guarded = <T>(work: () => T): T => {
      try {
        return work();
      } catch (error) {
        this.#unjudged.failed(state.id, error);
        throw error;
      }
    };
    const observation = guarded((): Observation => {
      const traffic = replicas?.addOthers(sharedId(state), own) ?? own;
      const isReady = !withheld().has(rollout.candidate);
      return { traffic, ...observe(traffic), comparisons, recent, isReady, ...serversOf(rollout) };
    });
    return (moment: Moment): Advance => {
      const advanced = guarded(() => advance(state, observation, rollout, moment));
      this.#unjudged.went(state.id);
      return advanced;
    };
  }

  async #obey(id: string, order: Order, { epochs, phase }: Expected = {}): Promise<Ordered> {
    const { rollouts } = this.#deps;
    const state = rollouts.ledger.get(id);
    if (state === undefined) return { kind: 'refused', sentence: `there is no rollout ${id}` };
    if (epochs?.includes(String(state.epoch)) === false)
      return { kind: 'outdated', sentence: `the epoch of rollout ${id} is ${state.epoch}, not ${epochs.join(' or ')}` };
    if (phase !== undefined && state.phase.name !== phase)
      return { kind: 'refused', sentence: `rollout ${id} is ${phaseText(state.phase)}: it awaits no approval` };
    const rollout = rollouts.current.find((each) => each.rollout.id === id)?.rollout;
    if (rollout === undefined && order.what !== 'rollback')
      return { kind: 'refused', sentence: `the policy has no rollout ${id} any more: it can only be rolled back` };
    const obeyed = obey(state, order, rollout ?? GONE);
    if ('refused' in obeyed) return { kind: 'refused', sentence: obeyed.refused };
    const ordered = await this.#move(state, obeyed.state, obeyed.actions);
    rollouts.followStates();
    return ordered;
  }

  /** Makes a move last and effective: what takes callers away is effective at once, all else only when everyone agrees on it. */
  async #move(before: RolloutState, next: RolloutState, actions: readonly Action[]): Promise<Ordered> {
    if (next.phase.name === 'rolled_back') return this.#leave(next, actions);
    const { rollouts, store } = this.#deps;
    const isAway = next.phase.name === 'suspended';
    if (isAway) rollouts.set(next);
    const kept = await store.advance(documentOf(next), before.epoch).catch(diskFailed);
    if (kept.kind === 'conflict') {
      // What the other gateway moved to holds here too, also where it has the epoch of the move that was refused.
      if (isAway && rollouts.ledger.get(next.id) === next) rollouts.set(before);
      this.#learn(store.known());
      const { id, phase, epoch } = rollouts.ledger.get(next.id) ?? before;
      const sentence = `another gateway was first: rollout ${id} is ${phaseText(phase)}, and its epoch is ${epoch}`;
      return { kind: 'outdated', sentence };
    }
    if (kept.kind === 'unavailable' && !isAway) return { kind: 'unavailable', sentence: kept.reason };
    const isShared = kept.kind !== 'unavailable';
    const moved = isShared ? next : await this.#keepHere(next);
    const state = rollouts.settle(moved);
    await this.#tell(actions, moved, isShared);
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
      await this.#tell(actions, next, shared);
      return { kind: 'done', state: next, isShared: shared };
    } catch (error) {
      onTrouble(error);
      const isShared = !store.known().pending.store.has(next.id);
      await this.#tell(actions, next, isShared);
      const where = isShared ? '' : ' at this gateway only';
      return {
        kind: 'unavailable',
        sentence: `the rollback is in effect${where}, but the disk of this gateway does not take it: it is written again every second`,
      };
    }
  }

  async #tell(actions: readonly Action[], state: RolloutState, isShared: boolean): Promise<void> {
    for (const action of actions) await this.#deps.tell(action, state, isShared).catch(this.#deps.onTrouble);
  }
}

function diskFailed(error: unknown) {
  return { kind: 'unavailable', reason: `the disk does not take it: ${(error as Error).message}` } as const;
}

/** The course of a rollout that the policy no longer has: it may still be rolled back, after a promotion say. */
const GONE: Pick<Rollout, 'steps' | 'guardTimeMs'> = { steps: [], guardTimeMs: 0 };

/** Whether the candidate's servers are to answer copies now: before its first callers, and before callers ask it again. */
function wantsWarmth({ phase }: RolloutState): boolean {
  return phase.name === 'pending' || (phase.name === 'suspended' && !phase.isHeld);
}

/** What is counted before a move says nothing of what comes after it. */
function sharedId({ id, epoch }: RolloutState): string {
  return `rollout/${id}/${epoch}`;
}
