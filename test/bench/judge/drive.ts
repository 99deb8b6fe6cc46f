// One rollout in one world, judged second by second by the real judge at every gateway, as the conductor does it: each gateway
// counts its own at once and what others count two seconds late; a move is made by the first, and the others take it over.
import { NO_COMPARISONS } from '../../../gateway/judge/evidence/disagreement.ts';
import { Memory } from '../../../gateway/judge/evidence/memory.ts';
import { addTallies, NO_LATENCIES, type Tally, type Traffic } from '../../../gateway/judge/evidence/tally.ts';
import { addTick, sumOf, type Window } from '../../../gateway/judge/evidence/window.ts';
import { liveOf } from '../../../gateway/judge/rollout/live.ts';
import { advance } from '../../../gateway/judge/rollout/rollout.ts';
import { newRollout, type RolloutState } from '../../../gateway/judge/rollout/state.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { Rollout } from '../../../gateway/policy/policy.ts';
import { createWorld, type WorldSpec } from './world.ts';

/** How a run went. Times are in seconds since its start. */
export type Run = {
  readonly endedAt: number | undefined;
  readonly heldAt: number | undefined;
  readonly suspendedAt: readonly number[];
  /** Seconds without callers, and seconds of probes. */
  readonly away: number;
  readonly probing: number;
  /** Why it was suspended, for people. */
  readonly sentences: readonly string[];
};

export type Plan = {
  readonly spec: WorldSpec;
  readonly share: number;
  readonly seconds: number;
  readonly guards?: string;
  readonly isPromoted?: boolean;
  /** In these seconds the first gateway restarts. */
  readonly gatewayRestarts?: readonly number[];
  /** Stop as soon as this is so. */
  readonly until?: (state: RolloutState, at: number) => boolean;
};

const LATE_S = 2;
const RECENT_MS = 5 * 60_000;
const NO_ONE = { from: 0, to: 0 };

type Gateway = {
  state: RolloutState;
  memory: Memory;
  window: Window;
  /** Own traffic of the last seconds, for the others. */
  readonly told: { readonly at: number; readonly epoch: number; readonly traffic: Traffic }[];
};

/** Drives one run. */
export function drive(plan: Plan, seed: number): Run {
  const rollout = rolloutWith(plan.guards ?? '', plan.share);
  const others = plan.spec.other === undefined ? [] : [otherRollout(rollout, plan.spec.other)];
  const world = createWorld(plan.spec, seed);
  const first = firstState(plan);
  const gateways = Array.from({ length: plan.spec.gateways?.count ?? 1 }, (): Gateway => newGateway(first));
  const log = { suspendedAt: [] as number[], sentences: [] as string[], away: 0, probing: 0 };
  let shared = first;
  let heldAt: number | undefined;
  let wasAway = false;
  for (let at = 0; at < plan.seconds; at++) {
    const blocks = gateways.map(({ state }) => blockOf(state, rollout, others));
    const slowFromMs = gateways[0]?.state.edges.cpu[0];
    const traffic = world.second({ at, blocks, ...(slowFromMs === undefined ? {} : { slowFromMs }) });
    if (plan.gatewayRestarts?.includes(at)) Object.assign(gateways[0] ?? {}, { memory: new Memory(), window: [] });
    for (const [i, gateway] of gateways.entries()) {
      if (gateway.state.epoch !== shared.epoch) gateway.state = shared;
      const next = tick(gateway, gateways, traffic[i] as Traffic, at, rollout);
      if (next.epoch > shared.epoch) shared = next;
      gateway.state = next.epoch > gateway.state.epoch && next.epoch !== shared.epoch ? shared : next;
    }
    const { phase } = shared;
    if (phase.name === 'suspended') {
      log.away++;
      if (!wasAway) log.suspendedAt.push(at + 1);
      if (!wasAway) log.sentences.push(phase.suspension.sentence);
      if (phase.isHeld) heldAt ??= at + 1;
    }
    wasAway = phase.name === 'suspended' || phase.name === 'probing';
    if (phase.name === 'probing') log.probing++;
    if (phase.name === 'rolled_back') {
      log.sentences.push(phase.rollback.sentence);
      return { ...log, heldAt, endedAt: at + 1 };
    }
    if (plan.until?.(shared, at)) break;
  }
  return { ...log, heldAt, endedAt: undefined };
}

function newGateway(state: RolloutState): Gateway {
  return { state, memory: new Memory(), window: [], told: [] };
}

function firstState({ isPromoted, share }: Plan): RolloutState {
  const state = newRollout('bench', 'm', 'v2', 'v1', 'salt');
  return {
    ...state,
    epoch: 1,
    phase: isPromoted ? { name: 'promoted', guardLeftMs: 1e12, isNamed: false } : { name: 'step', step: 0 },
    requests: share, // any number
  };
}

function blockOf(state: RolloutState, rollout: Rollout, others: readonly Rollout[]) {
  const live = liveOf(state, rollout, [rollout, ...others]);
  if (live.is === 'promoted') return { from: 0, to: 1_000_000 };
  return live.is === 'live' ? live.block : NO_ONE;
}

function tick(gateway: Gateway, all: readonly Gateway[], traffic: Traffic, at: number, rollout: Rollout): RolloutState {
  const { state, memory, window, told } = gateway;
  const isAlone = state.phase.name === 'promoted';
  const own = { ...traffic, coin: isAlone ? 0 : traffic.coin };
  if (all.length > 1) {
    told.push({ at, epoch: state.epoch, traffic: own });
    if (told.length > 2 * LATE_S) told.shift();
  }
  const pooled = all.length === 1 ? own : withOthers(own, gateway, all, at);
  gateway.window = addTick(window, at * 1000, own.baseline.histograms, RECENT_MS);
  const seen = {
    traffic: pooled,
    ...memory.observe(pooled, state, rollout, 1000),
    comparisons: NO_COMPARISONS,
    recent: () => sumOf(gateway.window),
    isReady: true,
    isWarm: true,
    isAsked: true,
    capacity: 1,
    room: 1,
  };
  return advance(state, seen, rollout, MOMENT).state;
}

const MOMENT = { elapsedMs: 1000, at: '', isAutomatic: true };

function withOthers(own: Traffic, gateway: Gateway, all: readonly Gateway[], at: number): Traffic {
  let sum = own;
  for (const other of all) {
    if (other === gateway) continue;
    const late = other.told.find((each) => each.at === at - LATE_S && each.epoch === gateway.state.epoch);
    if (late === undefined) continue;
    sum = {
      candidate: addTallies(sum.candidate, shown(late.traffic.candidate)),
      baseline: addTallies(sum.baseline, shown(late.traffic.baseline)),
      coin: sum.coin,
    };
  }
  return sum;
}

/** Histograms stay at home. */
function shown(tally: Tally): Tally {
  return { ...tally, histograms: { cpu: NO_LATENCIES, gpu: NO_LATENCIES } };
}

const rollouts = new Map<string, Rollout>();

/** A rollout of one step that is held, with these guards. */
export function rolloutWith(guards: string, share: number): Rollout {
  const key = `${guards}/${share}`;
  const known = rollouts.get(key);
  if (known !== undefined) return known;
  const model = parsePolicy(
    `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    rollout: { id: bench, candidate: v2, unit: header u, steps: [${+(share * 100).toFixed(4)}%], rollback: { ${guards} } }
`,
    'bench',
  ).models.get('m');
  const [rollout] = model?.kind === 'served' ? model.rollouts : [];
  if (rollout === undefined) throw new Error('no rollout');
  rollouts.set(key, rollout);
  return rollout;
}

/** The other candidate's slots, which probes leave alone. */
function otherRollout(rollout: Rollout, block: Rollout['live']): Rollout {
  return { ...rollout, id: 'other', live: block, blocks: [block] };
}
