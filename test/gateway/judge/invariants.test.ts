// The invariants of a rollout, (a) to (f), each over thousands of random histories; (g) is with the counter.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decide } from '../../../gateway/decide/decide.ts';
import type { Comparisons } from '../../../gateway/judge/evidence/disagreement.ts';
import { Memory } from '../../../gateway/judge/evidence/memory.ts';
import { type Alert, heed } from '../../../gateway/judge/rollout/alert.ts';
import { documentOf, readDocument } from '../../../gateway/judge/rollout/document.ts';
import { byModel, enrol, type Ledger, ledgerOf, merge, rolledBackIds } from '../../../gateway/judge/rollout/ledger.ts';
import { viewOf } from '../../../gateway/judge/rollout/live.ts';
import { phaseText } from '../../../gateway/judge/rollout/move.ts';
import { type Order, obey } from '../../../gateway/judge/rollout/order.ts';
import { advance } from '../../../gateway/judge/rollout/rollout.ts';
import { newRollout, type Phase, type RolloutState, stepOf } from '../../../gateway/judge/rollout/state.ts';
import type { Rollout } from '../../../gateway/policy/policy.ts';
import { request } from '../decide/setup.ts';
import {
  at,
  BOTH_FAILING,
  compared,
  FAILING,
  GUARDED,
  HEALTHY,
  modelWith,
  NO_TRAFFIC,
  observation,
  observe,
  PERSON,
  PHASES,
  rolloutWith,
  type Tick,
  tally,
} from './setup.ts';

const RUNS = { numRuns: 10_000 };
const KEYS =
  'steps: [10% for 3s, 50% until approved, 100% for 3s], min_requests: 20, max_duration: 20s, guard_time: 4s';
const MODEL = modelWith(`rollout: { id: r, candidate: v2, unit: random, ${KEYS}, ${GUARDED} }`);
/** The same file before an edit of its steps: an old policy that comes back. */
const OLD = modelWith(`rollout: { id: r, candidate: v2, unit: random, steps: [100%] }`);
const [ROLLOUT] = MODEL.rollouts as [Rollout];

/** What a tick may bring, by name: a counterexample stays readable. */
const SEEN = {
  healthy: HEALTHY,
  busy: observe(tally(200), tally(800)),
  failing: FAILING,
  'both failing': BOTH_FAILING,
  'no traffic': NO_TRAFFIC,
  impossible: observe(tally(5, 9), tally(95)),
  'servers away': observe(tally(5, 0, { outcomes: { ...tally(5).outcomes, server_fault: 20 } }), tally(95)),
  'not ready': { ...HEALTHY, more: { isReady: false } },
  'no room': { ...FAILING, more: { room: 0 } },
} satisfies Record<string, Tick>;
type Seen = keyof typeof SEEN;

const seen = fc.constantFrom<Seen>(
  'healthy',
  'healthy',
  'busy',
  'failing',
  'both failing',
  'no traffic',
  'impossible',
  'servers away',
  'not ready',
  'no room',
);
const what = fc.constantFrom<Order['what']>('promote', 'pause', 'resume', 'rollback');

/** What may happen to gateways 0 and 1 and the store between them. */
type Happening =
  | { readonly is: 'tick'; readonly on: 0 | 1; readonly seen: Seen; readonly times: number }
  | { readonly is: 'order'; readonly on: 0 | 1; readonly what: Order['what'] }
  | { readonly is: 'sync' | 'restart' | 'reload' | 'old policy'; readonly on: 0 | 1 }
  | { readonly is: 'peer' | 'store lost' | 'old dump' | 'dump' };

const on = fc.constantFrom<0 | 1>(0, 1);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ is: fc.constant('tick'), on, seen, times: fc.constantFrom(1, 4, 9, 40) }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('order'), on, what }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constantFrom('sync', 'restart', 'reload', 'old policy'), on }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constantFrom('peer', 'store lost', 'old dump', 'dump') }) },
) as fc.Arbitrary<Happening>;

/** Two gateways, a store, and an old dump of it. */
class World {
  readonly #memories = [new Memory(), new Memory()] as const;
  readonly gateways: [Ledger, Ledger] = [enrol(new Map(), [MODEL]).ledger, enrol(new Map(), [MODEL]).ledger];
  #store: Ledger = new Map();
  #dump: Ledger = new Map();
  #second = 0;

  happen(one: Happening): void {
    switch (one.is) {
      case 'tick':
        for (let i = 0; i < one.times; i++) this.#update(one.on, (state) => this.#tick(one.on, state, SEEN[one.seen]));
        break;
      case 'order':
        this.#update(one.on, (state) => {
          const obeyed = obey(state, { what: one.what, by: PERSON, at: at(this.#second), sentence: '' }, ROLLOUT);
          return 'state' in obeyed ? obeyed.state : state;
        });
        break;
      case 'sync':
        this.#store = this.gateways[one.on] = merge(this.gateways[one.on], this.#store);
        break;
      case 'restart': // from its state file, under the policy as it stands
        this.gateways[one.on] = enrol(reread(this.gateways[one.on]), [MODEL]).ledger;
        break;
      case 'reload':
      case 'old policy':
        this.gateways[one.on] = enrol(this.gateways[one.on], [one.is === 'reload' ? MODEL : OLD]).ledger;
        break;
      case 'peer':
        this.gateways[0] = merge(this.gateways[0], this.gateways[1]);
        break;
      case 'dump':
        this.#dump = this.#store;
        break;
      case 'old dump':
        this.#store = this.#dump;
        break;
      case 'store lost':
        this.#store = new Map();
        break;
    }
  }

  #tick(on: 0 | 1, state: RolloutState, seen: Tick): RolloutState {
    this.#second++;
    const moment = { elapsedMs: 1000, at: at(this.#second), isAutomatic: true };
    return advance(state, observation(state, seen, ROLLOUT, this.#memories[on]), ROLLOUT, moment).state;
  }

  #update(gateway: 0 | 1, change: (state: RolloutState) => RolloutState): void {
    const state = this.gateways[gateway].get('r');
    assert.ok(state);
    this.gateways[gateway] = new Map([...this.gateways[gateway], ['r', change(state)]]);
  }
}

test('(a) after a rollback no request gets the candidate, on any gateway that heard of it, whatever happens then', () => {
  let rolledBack = 0;
  fc.assert(
    fc.property(
      fc.array(happening, { minLength: 1, maxLength: 14 }),
      fc.double({ min: 0, max: 0.999 }),
      (all, random) => {
        const world = new World();
        const heard = [false, false];
        for (const one of all) {
          world.happen(one);
          for (const [i, ledger] of world.gateways.entries()) {
            heard[i] ||= rolledBackIds(ledger).length > 0;
            if (heard[i]) assertGone(ledger, random);
          }
        }
        if (heard.includes(true)) {
          rolledBack++;
          assertGone(merge(world.gateways[1], world.gateways[0]), random);
        }
      },
    ),
    RUNS,
  );
  assert.ok(rolledBack > 2000, `only ${rolledBack} histories had a rollback`);
});

function assertGone(ledger: Ledger, random: number): void {
  assert.deepEqual(rolledBackIds(ledger), ['r']);
  for (const model of [MODEL, OLD]) {
    const view = viewOf(model, byModel(ledger).get('digits') ?? []);
    for (const drawn of [0, random]) {
      const decision = decide(view.model, request({}), drawn);
      assert.equal(decision.kind === 'serve' && decision.version, 'v1');
    }
    assert.ok(view.outOfService.has('v2'));
  }
}

const history = fc.array(fc.tuple(seen, fc.constantFrom(1, 1, 3, 7, 31)), { minLength: 1, maxLength: 12 });

/** One tick of some history. */
type Ticked = {
  readonly before: RolloutState;
  readonly after: RolloutState;
  readonly verdict: string | undefined;
  readonly requests: number;
};

/** What holds in every tick; each gives whether the tick was one that it is about. */
const IN_EVERY_TICK = {
  'the share rises only by a passed step, or comes back from a probe': ({ before, after, verdict, requests }) => {
    if (shareOf(after) <= shareOf(before) || before.phase.name === 'pending') return false;
    if (before.phase.name === 'suspended') assert.equal(after.phase.name, 'probing');
    else if (before.phase.name === 'probing') {
      assert.ok(after.phase.name === 'probing' || stepOf(after, 3) === stepOf(before, 3));
      assert.notEqual(verdict, 'fail');
    } else {
      assert.equal(verdict, 'pass');
      assert.ok(before.bakedMs >= 2000 && before.phase.name === 'step' && before.requests + requests >= 20);
    }
    return true;
  },
  'insufficient and error give no more callers than a probe has': ({ before, after, verdict }) => {
    if (verdict !== 'insufficient' && verdict !== 'error') return false;
    const isAway = before.phase.name === 'suspended' || before.phase.name === 'probing';
    assert.ok(isAway ? shareOf(after) <= ownShareOf(before) : shareOf(after) === shareOf(before));
    return true;
  },
  'a suspended candidate has no callers': ({ after }) => {
    if (after.phase.name !== 'suspended') return false;
    assert.equal(shareOf(after), 0);
    return true;
  },
  'a probe has at most the callers that the candidate had': ({ after }) => {
    if (after.phase.name !== 'probing') return false;
    assert.ok(shareOf(after) <= (after.phase.isOwnBlock ? ownShareOf(after) : 100_000));
    return true;
  },
  'a rollout ends only in a probe': ({ before, after }) => {
    if (after.phase.name !== 'rolled_back' || before.phase.name === 'rolled_back') return false;
    assert.equal(before.phase.name, 'probing');
    return true;
  },
} satisfies Record<string, (ticked: Ticked) => boolean>;
type Held = keyof typeof IN_EVERY_TICK;

/** How many ticks each was about, and the first history in which it did not hold. */
const found = new Map<Held, { count: number; failure: string | undefined }>();

/** Goes through 10,000 histories once, for all of them. */
function lookEverywhere(): void {
  if (found.size > 0) return;
  for (const name of Object.keys(IN_EVERY_TICK) as Held[]) found.set(name, { count: 0, failure: undefined });
  for (const [ticks, isApproved] of fc.sample(fc.tuple(history, fc.boolean()), RUNS))
    for (const ticked of tickByTick(ticks, isApproved))
      for (const [name, one] of found) one.failure ??= failureIn(name, ticked, one, ticks);
}

function failureIn(name: Held, ticked: Ticked, one: { count: number }, ticks: unknown): string | undefined {
  try {
    if (IN_EVERY_TICK[name](ticked)) one.count++;
    return undefined;
  } catch (error) {
    const [from, to] = [phaseText(ticked.before.phase), phaseText(ticked.after.phase)];
    return `${from} -> ${to} in ${JSON.stringify(ticks)}: ${(error as Error).message}`;
  }
}

function assertEverywhere(name: Held, most: number): void {
  lookEverywhere();
  const { count, failure } = found.get(name) ?? { count: 0, failure: 'never asked' };
  assert.equal(failure, undefined);
  assert.ok(count > most, `only ${count} ticks`);
}

test('(b) without a person the share rises only by a passed step, after its time and its requests, or when a probe has passed', () =>
  assertEverywhere('the share rises only by a passed step, or comes back from a probe', 3000));

test('(c) a verdict of insufficient or error never gives the candidate more callers than it had when it was suspended', () =>
  assertEverywhere('insufficient and error give no more callers than a probe has', 10_000));

test('while it is suspended a candidate has no callers, whatever happened before', () =>
  assertEverywhere('a suspended candidate has no callers', 10_000));

test('in a probe a candidate has at most the callers that it had', () =>
  assertEverywhere('a probe has at most the callers that the candidate had', 2000));

test('a rollout ends without a person only in a probe: what was seen once is not enough', () =>
  assertEverywhere('a rollout ends only in a probe', 200));

test('from every state that is ever reached a rollback leads to no callers in one move, and pause and resume to where it was', () => {
  const phases = new Map<Phase['name'], number>();
  for (const state of statesInTheWild()) {
    phases.set(state.phase.name, (phases.get(state.phase.name) ?? 0) + 1);
    const order = { by: PERSON, at: at(0), sentence: '' };
    const ended = obey({ ...state, id: 'r' }, { what: 'rollback', ...order }, ROLLOUT);
    assert.ok('state' in ended && shareOf(ended.state) === 0);
    if (state.phase.name !== 'suspended' && state.phase.name !== 'probing') continue;
    const paused = obey(state, { what: 'pause', ...order }, ROLLOUT);
    assert.ok('state' in paused && paused.state.phase.name === 'suspended' && paused.state.phase.isHeld);
    const resumed = obey(paused.state, { what: 'resume', ...order }, ROLLOUT);
    assert.ok('state' in resumed);
    assert.deepEqual(resumed.state.phase, state.phase.suspension.from);
  }
  assert.deepEqual([...phases.keys()].sort(), [...PHASES].sort());
});

/** Every tick of a history: the state before and after, and what the verdict in between was. */
function* tickByTick(ticks: readonly (readonly [Seen, number])[], isApproved: boolean) {
  let state = newRollout('r', 'digits', 'v2', 'v1');
  const memory = new Memory();
  let second = 0;
  for (const [name, times] of ticks) {
    for (let i = 0; i < times; i++) {
      const before = state;
      const moment = { elapsedMs: 1000, at: at(++second), isAutomatic: true };
      const seen = observation(state, SEEN[name], ROLLOUT, memory);
      state = advance(state, seen, ROLLOUT, moment).state;
      const verdict = before.phase.name === 'pending' ? undefined : state.verdict?.kind;
      yield { before, after: state, verdict, requests: seen.traffic.candidate.judged.trials };
    }
    if (!isApproved || state.phase.name !== 'awaiting_approval') continue;
    const obeyed = obey(state, { what: 'promote', by: PERSON, at: at(second), sentence: '' }, ROLLOUT);
    if ('state' in obeyed) state = obeyed.state;
  }
}

const shares = new Map<string, number>();

/** Slots that the candidate answers, all of them once it is the baseline. */
function shareOf(state: RolloutState): number {
  const key = `${state.probes} ${JSON.stringify(state.phase)}`;
  const known = shares.get(key);
  if (known !== undefined) return known;
  const { model } = viewOf(MODEL, [state]);
  const live = model.rollouts.reduce((sum, { live }) => sum + live.to - live.from, 0);
  const share = model.baseline.label === 'v2' ? 1_000_000 : live;
  shares.set(key, share);
  return share;
}

/** Slots that it had when it was suspended. */
function ownShareOf(state: RolloutState): number {
  const { phase } = state;
  return phase.name === 'suspended' || phase.name === 'probing'
    ? shareOf({ ...state, phase: phase.suspension.from })
    : shareOf(state);
}

const alert: fc.Arbitrary<Alert> = fc.record({
  status: fc.constantFrom('firing', 'firing', 'resolved'),
  labels: fc.record({
    alertname: fc.constantFrom('A', 'B'),
    model: fc.constantFrom('digits', 'digits', 'spam'),
    version: fc.constantFrom('v1', 'v2', 'v3'),
  }),
  startsAt: fc.integer({ min: 0, max: 60 }).map(at),
  fingerprint: fc.constantFrom('f1', 'f2', 'f3'),
});

test('(d) alerts in any order and any number lead to the same end', () => {
  const both = modelWith(`rollout: [
      { id: r, candidate: v2, unit: random, from: 0%, steps: [5%] },
      { id: r3, candidate: v3, unit: random, from: 50%, steps: [5%] } ]`);
  const start = ledgerOf([running('r', 'v2', 10), running('r3', 'v3', 20)]);
  const rollouts = new Map(both.rollouts.map((rollout) => [rollout.id, rollout]));
  let rolledBack = 0;
  fc.assert(
    fc.property(
      fc.array(alert, { maxLength: 6 }).chain((alerts) =>
        fc.tuple(
          fc.constant(alerts),
          fc.shuffledSubarray([...alerts, ...alerts, ...alerts], {
            minLength: alerts.length * 3,
            maxLength: alerts.length * 3,
          }),
        ),
      ),
      ([once, shuffled]) => {
        const end = deliver(start, once, rollouts);
        assert.equal(text(deliver(start, shuffled, rollouts)), text(end));
        rolledBack += rolledBackIds(end).length;
      },
    ),
    RUNS,
  );
  assert.ok(rolledBack > 2000);
});

function running(id: string, candidate: string, since: number): RolloutState {
  return { ...newRollout(id, 'digits', candidate, 'v1'), phase: { name: 'step', step: 0 }, startedAt: at(since) };
}

function deliver(start: Ledger, alerts: readonly Alert[], rollouts: ReadonlyMap<string, Rollout>): Ledger {
  return alerts.reduce((ledger, each) => {
    const heeded = heed(each, ledger);
    const state = 'id' in heeded ? ledger.get(heeded.id) : undefined;
    const rollout = 'id' in heeded ? rollouts.get(heeded.id) : undefined;
    if (!('order' in heeded) || state === undefined || rollout === undefined) return ledger;
    const obeyed = obey(state, heeded.order, rollout);
    assert.ok('state' in obeyed);
    return merge(ledger, ledgerOf([obeyed.state]));
  }, start);
}

test('(e) merging ledgers is commutative, associative and idempotent, and forgets no rollback', () => {
  const pool = statesInTheWild();
  const ledger = fc.subarray(pool, { maxLength: 12 }).map((states) => merge(ledgerOf(states), new Map()));
  fc.assert(
    fc.property(ledger, ledger, ledger, (a, b, c) => {
      assert.equal(text(merge(a, b)), text(merge(b, a)));
      assert.equal(text(merge(merge(a, b), c)), text(merge(a, merge(b, c))));
      assert.equal(text(merge(a, a)), text(a));
      assert.equal(text(merge(merge(a, b), b)), text(merge(a, b)));
      const union = new Set([...rolledBackIds(a), ...rolledBackIds(b)]);
      assert.deepEqual(new Set(rolledBackIds(merge(a, b))), union);
    }),
    RUNS,
  );
});

const BUSY: Happening = { is: 'tick', on: 0, seen: 'busy', times: 9 };
const PROMOTED: readonly Happening[] = [BUSY, BUSY, { is: 'order', on: 0, what: 'promote' }, BUSY];

/** States of three rollouts as they come up in random histories, among them several of one epoch. */
function statesInTheWild(): RolloutState[] {
  const histories = fc.sample(fc.array(happening, { minLength: 3, maxLength: 12 }), { numRuns: 120, seed: 7 });
  return [PROMOTED, ...histories].flatMap((all, i) => {
    const world = new World();
    for (const one of all) world.happen(one);
    return world.gateways.flatMap((ledger) => [...ledger.values()].map((state) => ({ ...state, id: `r${i % 3}` })));
  });
}

test('(f) shadow counters change no verdict on errors and latency, and no phase where no one asks for them', () => {
  const asked = rolloutWith(`${KEYS}, rollback: { error_rate: 2%, disagreement: 3% }`);
  const counts = fc.tuple(fc.nat({ max: 50 }), fc.nat({ max: 50 })).map(([a, b]) => [a + b, b] as const);
  const comparisons = fc.tuple(counts, counts).map(([raw, noise]) => compared(raw, noise));
  let spoken = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(seen, comparisons), { minLength: 1, maxLength: 12 }), (ticks) => {
      for (const [without, beside] of inPairs(ROLLOUT, ticks))
        assert.equal(text(withoutComparisons(without)), text(withoutComparisons(beside)));
      for (const [without, beside] of inPairs(asked, ticks)) {
        const own = beside.verdict?.readings.find(({ guard }) => guard === 'disagreement');
        if (own !== undefined && own.is !== 'quiet') {
          spoken++; // its own guard holds or ends the rollout from here on
          break;
        }
        assert.equal(text(otherReadings(without)), text(otherReadings(beside)));
        assert.equal(phaseText(without.phase), phaseText(beside.phase));
        assert.equal(without.verdict?.sentence, beside.verdict?.sentence);
      }
    }),
    RUNS,
  );
  assert.ok(spoken > 500 && spoken < 9000, `${spoken}`);
});

/** The states of a rollout after each tick, without shadow traffic and beside it. */
function* inPairs(rollout: Rollout, ticks: readonly (readonly [Seen, Comparisons])[]) {
  let without = newRollout('r', 'digits', 'v2', 'v1');
  let beside = without;
  const memory = new Memory();
  for (const [i, [name, comparisons]] of ticks.entries()) {
    const moment = { elapsedMs: 1000, at: at(i), isAutomatic: true };
    const seen = observation(without, SEEN[name], rollout, memory);
    without = advance(without, seen, rollout, moment).state;
    beside = advance(beside, { ...seen, comparisons }, rollout, moment).state;
    yield [without, beside] as const;
  }
}

function withoutComparisons({ evidence, inPhase, ...state }: RolloutState) {
  const { comparisons: _, ...others } = evidence;
  const { compared: __, ...judged } = inPhase;
  return { ...state, evidence: others, inPhase: judged };
}

function otherReadings({ verdict }: RolloutState) {
  const others = verdict?.readings.filter(({ guard }) => guard !== 'disagreement') ?? [];
  return [...others].sort((a, b) => a.guard.localeCompare(b.guard));
}

function reread(ledger: Ledger): Ledger {
  const documents = JSON.parse(JSON.stringify([...ledger.values()].map(documentOf)));
  return ledgerOf(
    documents.map((document: unknown) => {
      const read = readDocument(document);
      assert.ok('state' in read, JSON.stringify(read));
      return read.state;
    }),
  );
}

function text(value: unknown): string {
  return JSON.stringify(value instanceof Map ? [...value] : value);
}
