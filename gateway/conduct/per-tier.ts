// The conductor of one request to a ladder of tiers: ask a tier, read how sure it was, climb or answer. What follows from an
// answer is decided in decide/escalate.ts.
import { confidenceIn } from '../decide/confidence.ts';
import { type Degradation, nextStep, rungsOf } from '../decide/escalate.ts';
import type { Answer, Facts } from '../flow.ts';
import type { SendOptions } from '../forward/send.ts';
import type { TieredModel, Version } from '../policy/policy.ts';
import { type ChoiceDeps, type Chosen, choose, type Marked, marksOf } from './choose.ts';
import type { LadderState, Tiering } from './ladders.ts';

/** A caller may want to be surer than the policy; a lower value than the policy's changes nothing. */
const ASKED_HEADER = 'x-sluice-min-confidence';
/** Kept for passing on the best answer so far when a tier lets the time run out. */
const RESERVED_MS = 10;

export type PerTierDeps = ChoiceDeps & {
  readonly tiering: Tiering;
  /** The SHA-256 of a version's model file, as far as it is known. */
  readonly digestOf: (version: Version) => string | undefined;
  readonly ladder: TieredModel;
  /** Sends the request to a version, and remembers what came of it. */
  readonly ask: (chosen: Chosen, options: SendOptions) => Promise<Answer>;
};

/** An answer with the tier that gave it. */
type TierResult = { readonly tier: string; readonly answer: Answer; readonly marks: Marked['marks'] };

/** Answers one prediction by a ladder whose rules have chosen the tier to begin with. */
export async function perTier(deps: PerTierDeps, facts: Facts, first: Chosen): Promise<Marked> {
  const { ladder, tiering } = deps;
  const state = tiering.stateOf(ladder);
  const giveUpAt = performance.now() + ladder.timeoutMs;
  const asked = askedBy(facts);
  const group = groupOf(ladder, facts);
  state.begin(group);
  const passed: string[] = [];
  let chosen = first;
  let tier = first.decision.tier ?? '';
  let best: TierResult | undefined;
  for (;;) {
    const timeoutMs = giveUpAt - performance.now() - (best === undefined ? 0 : RESERVED_MS);
    const answer = await deps.ask(chosen, { timeoutMs: Math.max(1, timeoutMs) });
    state.took(tier, answer.latencyMs, group);
    const result = { tier, answer, marks: marksOf({ ...chosen.decision, tier }) };
    if (answer.class === 'client_left') return finish(state, result, passed, undefined);
    const step = stepAfter(
      deps,
      state,
      { tier, version: chosen.version, answer },
      { asked, leftMs: giveUpAt - performance.now() },
    );
    if (step.kind === 'up') state.passOn(step.reason, step.isPaid);
    const isUsable = answer.class === 'ok' || (best === undefined && step.kind === 'answer');
    if (step.kind === 'answer') {
      if (isUsable || best === undefined) return finish(state, result, passed, step.degraded);
      return finish(state, best, passed, 'outage'); // the higher tier failed: what there is goes out
    }
    if (answer.class === 'ok') best = result;
    passed.push(tier);
    const next = above(deps, facts, step.tier);
    if (next === undefined) return finish(state, best ?? result, passed, 'outage');
    [chosen, tier] = [next, step.tier];
  }
}

function stepAfter(
  { ladder, digestOf }: PerTierDeps,
  state: LadderState,
  { tier, version, answer }: { readonly tier: string; readonly version: Version; readonly answer: Answer },
  { asked, leftMs }: { readonly asked: number | undefined; readonly leftMs: number },
) {
  const from = ladder.escalation?.confidence.get(tier);
  const length = answer.headers['inference-header-content-length'];
  const isRead = answer.class === 'ok' && from !== undefined && ladder.escalation?.below.has(tier);
  const claimed = isRead
    ? confidenceIn(from, answer.body, length === undefined ? undefined : String(length))
    : undefined;
  const files = ladder.escalation?.calibrations.get(tier);
  const confidence =
    files === undefined || claimed === undefined ? claimed : state.calibrate(tier, files, digestOf(version), claimed);
  const means = { leftMs: leftMs - RESERVED_MS, nextP95Ms: state.p95Above(tier), hasBudget: state.hasBudget() };
  return nextStep(rungsOf(ladder), { tier, class: answer.class, confidence }, asked, means);
}

/** The version that answers for the tier; undefined when none may. */
function above(deps: PerTierDeps, facts: Facts, tier: string): Chosen | undefined {
  const model = deps.ladder.ladder.get(tier);
  if (model === undefined) return undefined;
  try {
    return choose(deps, facts, deps.models.get(model.name) ?? model);
  } catch {
    return undefined; // its own rule turns such a request away: the answer below stands
  }
}

function finish(
  state: LadderState,
  { tier, answer, marks }: TierResult,
  passed: readonly string[],
  degraded: Degradation | undefined,
): Marked {
  const from = passed.filter((each) => each !== tier);
  state.end(tier, passed, degraded);
  return {
    answer,
    marks: {
      ...marks,
      ...(from.length === 0 || degraded === 'outage' ? {} : { 'x-sluice-escalated-from': from.join(', ') }),
      ...(degraded === undefined ? {} : { 'x-sluice-degraded': degraded }),
    },
  };
}

/** The group of callers that the request's cost is counted under. */
function groupOf({ costGroups }: TieredModel, { headers }: Facts): string {
  if (costGroups === undefined) return 'all';
  const value = headers[costGroups.header];
  return typeof value === 'string' && costGroups.of.includes(value) ? value : 'other';
}

function askedBy({ headers }: Facts): number | undefined {
  const asked = Number(headers[ASKED_HEADER]);
  return asked > 0 && asked <= 1 ? asked : undefined;
}
