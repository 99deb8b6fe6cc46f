// The conductor of the judge: every second what was counted is judged, and what follows is made to last and told. Orders of
// people and alerts go the same way. It decides nothing itself.
import { unlessReportedByStore } from '../errors.ts';
import type { Moment, Observation } from '../judge/evidence/observation.ts';
import { type Alert, heed, type Ignored } from '../judge/rollout/alert.ts';
import { documentOf, readDocument } from '../judge/rollout/document.ts';
import { type Advance, phaseText } from '../judge/rollout/move.ts';
import { type Expected, type Order, obey } from '../judge/rollout/order.ts';
import { advance } from '../judge/rollout/rollout.ts';
import type { RolloutState } from '../judge/rollout/state.ts';
import type { KnownRollouts } from '../store/store.ts';
import { takingTurns } from '../store/turns.ts';
import { Moves } from './moves.ts';
import { GONE, type Ordered, type PerTickDeps, sharedId, wantsWarmth } from './orders.ts';
import { heldBy, Unjudged } from './unjudged.ts';
import type { Seen } from './watched.ts';

const TICK_MS = 1000;
/** As much of a step's time and evidence a crash may cost. */
const SAVE_MS = 10_000;

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
  readonly #moves: Moves;

  constructor(deps: PerTickDeps) {
    this.#deps = deps;
    this.#unjudged = new Unjudged(deps.rollouts, deps.onHeld);
    this.#moves = new Moves({ ...deps, learn: (known) => this.#learn(known) });
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
    await this.#moves.latchAll().catch(onTrouble);
    await this.#moves.keepNamed().catch(onTrouble);
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

  async #judge(seen: Seen, moment: Moment): Promise<void> {
    const { rollouts } = this.#deps;
    const state = rollouts.ledger.get(seen.rollout.id);
    if (state === undefined || rollouts.isUnreadable(state.id)) return;
    const judgeAt = this.#judgeOf(seen, state);
    const { state: next, actions } = judgeAt(moment);
    if (next.epoch === state.epoch) {
      rollouts.set(next);
      return this.#moves.tell(actions, next, true);
    }
    const ordered = await this.#moves.make(state, next, actions);
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
    const ordered = await this.#moves.make(state, obeyed.state, obeyed.actions);
    rollouts.followStates();
    return ordered;
  }
}
