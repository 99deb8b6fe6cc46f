// Several gateways that judge the same rollout, and a store that may be away or hold what no one can read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { PerTickDeps } from '../../../gateway/conduct/orders.ts';
import { PerTick } from '../../../gateway/conduct/per-tick.ts';
import type { Replicas } from '../../../gateway/conduct/replicas.ts';
import { Rollouts } from '../../../gateway/conduct/rollouts.ts';
import type { Held } from '../../../gateway/conduct/watched.ts';
import { documentOf, type StateDocument } from '../../../gateway/judge/rollout/document.ts';
import { type Action, phaseText } from '../../../gateway/judge/rollout/move.ts';
import type { Expected } from '../../../gateway/judge/rollout/order.ts';
import { newRollout, type Phase, type RolloutState } from '../../../gateway/judge/rollout/state.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { Rollout } from '../../../gateway/policy/policy.ts';
import type { RolloutStates } from '../../../gateway/store/store.ts';
import { at, PERSON } from '../judge/setup.ts';

const POLICY = parsePolicy(
  `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: random, steps: [10% for 1h, 50%], rollback: {} }
`,
  'p',
);
const SALT = [...POLICY.onTrial][0]?.rollouts[0]?.buckets.salt ?? '';

/** What several gateways share, in memory; each also has what it keeps for itself. */
class Shared {
  isAway = false;
  /** What happens elsewhere while this store takes a move. */
  meanwhile = () => {};
  readonly documents = new Map<string, StateDocument>();
  readonly #rolledBack = new Set<string>();
  readonly #listeners: (() => void)[] = [];

  rollBack(id: string): void {
    this.#rolledBack.add(id);
  }

  /** Says that another gateway has changed something. */
  hint(): void {
    for (const listener of this.#listeners) listener();
  }

  of(kept: StateDocument[] = []): RolloutStates {
    const known = () => ({
      documents: new Map(this.documents),
      rolledBack: new Set(this.#rolledBack),
      wasRead: true,
      pending: { disk: new Set<string>(), store: new Set<string>() },
      pendingDocuments: { disk: new Set<string>(), store: new Set<string>() },
    });
    return {
      known,
      refresh: async () => known(),
      advance: async (document, expectedEpoch) => {
        if (this.isAway) return { kind: 'unavailable', reason: 'away' };
        const current = this.documents.get(document.id);
        const rolledBack = this.#rolledBack.has(document.id);
        if (rolledBack || (current?.epoch ?? 0) !== expectedEpoch) return { kind: 'conflict', current, rolledBack };
        this.documents.set(document.id, JSON.parse(JSON.stringify(document)));
        await turn();
        this.meanwhile();
        await turn();
        return { kind: 'written' };
      },
      keep: async (document) => void kept.push(document),
      rollBack: async (id) => {
        this.#rolledBack.add(id);
        return { shared: true };
      },
      onHint: (listener) => void this.#listeners.push(listener),
    };
  }
}

/** A gateway that is ticked by hand. */
async function gatewayAt(shared: Shared, more: Partial<PerTickDeps> = {}) {
  const [rollouts, kept]: [Rollouts, StateDocument[]] = [new Rollouts(POLICY), []];
  const [actions, reported, troubles]: [Action[], [Held, boolean][], unknown[]] = [[], [], []];
  const perTick = new PerTick({
    rollouts,
    store: shared.of(kept),
    replicas: undefined,
    withheld: () => new Map(),
    serversOf: () => ({ capacity: 1, room: 1, isWarm: true, isAsked: false }),
    warmUp: () => {},
    progress: { load: async () => [], save: async () => {} },
    isAutomatic: true,
    tell: async (action) => void actions.push(action),
    onTrouble: (error) => troubles.push(error),
    onHeld: (held, isOver) => reported.push([held, isOver]),
    ...more,
  });
  await perTick.start();
  const stateOf = () => rollouts.ledger.get('r') as RolloutState;
  const share = () => {
    const model = rollouts.models.get('m');
    assert.ok(model?.kind === 'served');
    return model.rollouts.reduce((sum, { live }) => sum + live.to - live.from, 0) / 1e6;
  };
  /** Ticks of requests that the candidate answers. */
  const tick = async (outcome: 'ok' | 'model_fault', ticks = 1) => {
    for (let i = 0; i < ticks; i++) {
      const model = rollouts.models.get('m');
      const view = model?.kind === 'served' ? model.stamp : undefined;
      for (let unit = 0; unit < 20; unit++) {
        const answer = { firstClass: outcome, latencyMs: 5, isWarm: true, firstServer: 's', firstServerClass: 'cpu' };
        const sorted = { rollout: 'r', unit: `${unit}`, unitId: unit * 1e9, view };
        rollouts.count('m', sorted as never, { id: 'x', body: Buffer.alloc(0) }, answer as never);
      }
      await perTick.tick();
    }
  };
  const close = () => perTick.close();
  return { rollouts, perTick, kept, actions, reported, troubles, stateOf, share, tick, close };
}

function stored(phase: Phase, epoch: number): StateDocument {
  const state = { ...newRollout('r', 'm', 'v2', 'v1', SALT), startedAt: at(0), phase, epoch };
  return JSON.parse(JSON.stringify(documentOf(state)));
}

test('a candidate that fails is suspended here at once and at the other gateway when it looks', async () => {
  const shared = new Shared();
  const [one, other] = [await gatewayAt(shared), await gatewayAt(shared)];
  assert.deepEqual([one.share(), one.stateOf().phase.name], [0.1, 'step']);
  await one.tick('model_fault', 3);
  assert.deepEqual([one.share(), phaseText(one.stateOf().phase)], [0, 'suspended in step 1']);
  other.rollouts.learn([one.stateOf()], [], at(0));
  assert.equal(other.share(), 0);
  await Promise.all([one.close(), other.close()]);
});

test('with the store away a suspension holds here, is kept on this disk and told; nothing else moves', async () => {
  const shared = new Shared();
  const one = await gatewayAt(shared);
  shared.isAway = true;
  await one.tick('model_fault', 3);
  assert.deepEqual([one.share(), one.stateOf().phase.name, one.actions.at(-1)?.event], [0, 'suspended', 'suspend']);
  assert.deepEqual(
    one.kept.map(({ epoch }) => epoch),
    [one.stateOf().epoch],
  );
  const resumed = await one.perTick.order('r', { what: 'resume', by: PERSON, at: at(0), sentence: 'well' });
  assert.deepEqual([resumed.kind, one.share()], ['unavailable', 0]);
  const ended = await one.perTick.order('r', { what: 'rollback', by: PERSON, at: at(0), sentence: 'bad' });
  assert.deepEqual([ended.kind, one.stateOf().phase.name], ['done', 'rolled_back']);
  await one.close();
});

test('a gateway whose suspension comes second takes over what the other one moved to, and judges on from there', async () => {
  const shared = new Shared();
  const one = await gatewayAt(shared);
  await one.tick('ok');
  assert.equal(one.stateOf().phase.name, 'step');
  // A person goes on at another gateway in this very second.
  const { epoch } = one.stateOf();
  shared.documents.set('r', stored({ name: 'step', step: 1 }, epoch + 1));
  await one.tick('model_fault');
  assert.deepEqual(
    [one.stateOf().phase, one.stateOf().epoch, one.share()],
    [{ name: 'step', step: 1 }, epoch + 1, 0.5],
  );
  await one.tick('model_fault', 4);
  assert.deepEqual([one.stateOf().phase.name, one.share()], ['suspended', 0]);
  assert.equal((shared.documents.get('r') as StateDocument).epoch, one.stateOf().epoch, 'and the store knows');
  await one.close();
});

test('what others do while a move is on its way is not undone by it', async () => {
  const rollsBack = new Shared();
  const one = await gatewayAt(rollsBack);
  await one.tick('ok');
  rollsBack.meanwhile = () => {
    rollsBack.rollBack('r');
    rollsBack.hint();
  };
  const promoted = await one.perTick.order('r', { what: 'promote', by: PERSON, at: at(0), sentence: 'go' });
  assert.deepEqual([one.share(), one.stateOf().phase.name], [0, 'rolled_back']);
  assert.deepEqual([promoted.kind, promoted.kind === 'done' && promoted.state.phase.name], ['done', 'rolled_back']);
  await one.close();

  const goesOn = new Shared();
  const other = await gatewayAt(goesOn);
  await other.tick('ok');
  const { epoch } = other.stateOf();
  goesOn.meanwhile = () => {
    goesOn.documents.set('r', stored({ name: 'holding', step: 1, why: 'paused' } as Phase, epoch + 2));
    goesOn.hint();
  };
  await other.perTick.order('r', { what: 'promote', by: PERSON, at: at(0), sentence: 'go' });
  assert.deepEqual([other.stateOf().epoch, other.stateOf().phase.name], [epoch + 2, 'holding']);
  await other.close();
});

test('what an order and an alert rest on is checked when it is their turn', async () => {
  const shared = new Shared();
  shared.documents.set('r', stored({ name: 'awaiting_approval', step: 0 }, 4));
  const one = await gatewayAt(shared);
  const order = (what: 'promote' | 'pause', expected: Expected) =>
    one.perTick.order('r', { what, by: PERSON, at: at(0), sentence: 'x' }, expected);
  const approvals = await Promise.all([1, 2, 3].map(() => order('promote', { phase: 'awaiting_approval' })));
  assert.deepEqual(
    approvals.map(({ kind }) => kind),
    ['done', 'refused', 'refused'],
  );
  assert.deepEqual(one.stateOf().phase, { name: 'step', step: 1 });
  const { epoch } = one.stateOf();
  const orders = await Promise.all([1, 2].map(() => order('pause', { epochs: [`${epoch}`] })));
  assert.deepEqual(
    orders.map(({ kind }) => kind),
    ['done', 'outdated'],
  );
  // The promotion before it in the queue is for good, so an alert about the candidate of that rollout comes too late.
  const done = stored({ name: 'promoted', guardLeftMs: 0, isNamed: false } as Phase, epoch + 5);
  shared.meanwhile = () => {
    shared.documents.set('r', done);
    shared.hint();
  };
  const labels = { model: 'm', version: 'v2', alertname: 'Fails' };
  const [, heeded] = await Promise.all([
    one.perTick.order('r', { what: 'resume', by: PERSON, at: at(0), sentence: 'x' }),
    one.perTick.heed({ status: 'firing', labels, startsAt: at(9), fingerprint: 'f' }),
  ]);
  assert.deepEqual(heeded, { kind: 'ignored', why: 'after the guard time' });
  await one.close();
});

test('an exception in judging holds the rollout on its baseline and is reported; when it is over the callers return', async () => {
  let isBroken = false;
  const shared = new Shared();
  const one = await gatewayAt(shared, {
    serversOf: (_: Rollout) => {
      if (isBroken) throw new Error('no such server');
      return { capacity: 1, room: 1, isWarm: true, isAsked: false };
    },
  });
  isBroken = true;
  await one.tick('ok', 2);
  assert.deepEqual([one.share(), one.rollouts.isHeld('r'), one.troubles.length], [0, true, 2]);
  assert.deepEqual(one.reported, [[{ id: 'r', sentence: 'it cannot be judged: no such server' }, false]]);
  isBroken = false;
  await one.tick('ok', 9);
  assert.deepEqual([one.share(), one.rollouts.isHeld('r')], [0, true], 'it may fail again');
  await one.tick('ok');
  assert.deepEqual([one.share(), one.rollouts.isHeld('r'), one.reported.at(-1)?.[1]], [0.1, false, true]);
  isBroken = true;
  await one.tick('ok');
  const ended = await one.perTick.order('r', { what: 'rollback', by: PERSON, at: at(0), sentence: 'away with it' });
  assert.deepEqual([ended.kind, one.stateOf().phase.name], ['done', 'rolled_back']);
  await one.close();
});

test('an exception in what other gateways counted holds the rollout too', async () => {
  const broken = { addOthers: () => assert.fail('counts'), keep: () => {} } as unknown as Replicas;
  const one = await gatewayAt(new Shared(), { replicas: broken });
  assert.equal(one.reported[0]?.[0].sentence, 'it cannot be judged: counts');
  await one.close();
});

test('a stored state that no one can read holds the rollout on its baseline, and a person can still end it', async () => {
  const shared = new Shared();
  shared.documents.set('r', { id: 'r', epoch: 6, format: 3, state: {} });
  const one = await gatewayAt(shared);
  await one.tick('ok', 2);
  assert.deepEqual([one.share(), one.rollouts.isUnreadable('r'), one.reported.length], [0, true, 1]);
  assert.match(
    one.reported[0]?.[0].sentence ?? '',
    /^its stored state cannot be read: format 3 was written by another release/,
  );
  const promoted = await one.perTick.order('r', { what: 'promote', by: PERSON, at: at(0), sentence: 'go' });
  assert.equal(promoted.kind, 'refused');
  const ended = await one.perTick.order('r', { what: 'rollback', by: PERSON, at: at(0), sentence: 'end' });
  assert.deepEqual([ended.kind, one.stateOf().phase.name], ['done', 'rolled_back']);
  await one.close();
});

test('a stored state that can be read again gives the callers back', async () => {
  const shared = new Shared();
  shared.documents.set('r', { id: 'r', epoch: 6, format: 3 });
  const one = await gatewayAt(shared);
  assert.equal(one.share(), 0);
  shared.documents.set('r', stored({ name: 'step', step: 1 }, 7));
  shared.hint();
  await turn();
  await turn();
  assert.deepEqual([one.share(), one.rollouts.isHeld('r'), one.reported.at(-1)?.[1]], [0.5, false, true]);
  await one.close();
});

test('what was gathered in a step goes on after a restart, but not what a later move or damage made worthless', async () => {
  const shared = new Shared();
  shared.documents.set('r', stored({ name: 'step', step: 1 }, 4));
  const saved = (epoch: number, parts: object) => {
    const document = stored({ name: 'step', step: 1 }, epoch);
    return { ...document, state: { ...(document.state as object), ...parts } };
  };
  const load = (document: unknown) => ({ load: async () => [document], save: async () => {} });
  const baked = async (document: unknown) => {
    const one = await gatewayAt(shared, { progress: load(document) });
    await one.close();
    return one.stateOf().bakedMs;
  };
  assert.ok((await baked(saved(4, { bakedMs: 60_000 }))) >= 60_000);
  assert.ok((await baked(saved(3, { bakedMs: 60_000 }))) < 5000);
  assert.ok((await baked(saved(4, { bakedMs: 'long' }))) < 5000);
  assert.ok((await baked(null)) < 5000);
});
