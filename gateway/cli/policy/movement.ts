// Who moves where when one policy follows another: the same callers and the same draws, decided by both.
import { decide } from '../../decide/decide.ts';
import type { Decision } from '../../flow.ts';
import type { Model } from '../../policy/policy.ts';
import { callersOfModels, servedOf } from './synthetic-callers.ts';

export type Movement = {
  readonly model: string;
  /** Whether it is a ladder: its rules see callers who send nothing but what they are sorted by. */
  readonly ladder: boolean;
  readonly callers: number;
  readonly changed: number;
  /** Of those that changed: from a candidate or arm to the baseline. */
  readonly back: number;
  /** From one candidate or arm to another. */
  readonly across: number;
  readonly to_another_tier: number;
  readonly refused: number;
  /** Most callers first. */
  readonly flows: readonly { readonly from: string; readonly to: string; readonly callers: number }[];
};

type Kind = 'stays' | 'forward' | 'back' | 'across' | 'tier' | 'refused';

/** The movement of `callers` synthetic callers of one model. */
export function movementOf(before: Model, after: Model, callers: number): Movement {
  const callerAt = callersOfModels([before, after]);
  const [wasBaseline, isBaseline] = [baselinesOf(before), baselinesOf(after)];
  const draw = draws(SEED);
  const kinds: Record<Kind, number> = { stays: 0, forward: 0, back: 0, across: 0, tier: 0, refused: 0 };
  const flows = new Map<string, { from: string; to: string; callers: number }>();
  for (let i = 0; i < callers; i++) {
    const facts = callerAt(i);
    const random = draw();
    const [was, is] = [decide(before, facts, random), decide(after, facts, random)];
    const [from, to] = [placeOf(was), placeOf(is)];
    kinds[from === to ? 'stays' : kindOf(was, is, wasBaseline, isBaseline)]++;
    const flow = flows.get(`${from}\n${to}`) ?? { from, to, callers: 0 };
    flow.callers++;
    flows.set(`${from}\n${to}`, flow);
  }
  return {
    model: after.name,
    ladder: after.kind === 'tiers',
    callers,
    changed: callers - kinds.stays,
    back: kinds.back,
    across: kinds.across,
    to_another_tier: kinds.tier,
    refused: kinds.refused,
    flows: [...flows.values()].sort((a, b) => b.callers - a.callers),
  };
}

/** Where a decision leads: the version, and below a ladder the tier and its model. */
function placeOf(decision: Decision): string {
  if (decision.kind === 'refuse') return `refused, ${decision.refusal}`;
  const { tier, model, version } = decision;
  return tier === undefined ? version : `${tier}: ${model} ${version}`;
}

type Baselines = ReadonlyMap<string, string>;

function baselinesOf(model: Model): Baselines {
  return new Map(servedOf(model).map(({ name, baseline }) => [name, baseline.label]));
}

function kindOf(was: Decision, is: Decision, wasBaseline: Baselines, isBaseline: Baselines): Kind {
  if (is.kind === 'refuse') return 'refused';
  if (was.kind === 'refuse') return 'forward';
  if (was.model !== is.model || was.tier !== is.tier) return 'tier';
  if (wasBaseline.get(was.model) === was.version) return 'forward';
  return isBaseline.get(is.model) === is.version ? 'back' : 'across';
}

const SEED = 0x5105ce;

/** Numbers in [0, 1) of 53 bits, always the same: mulberry32, two draws each. */
function draws(seed: number): () => number {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}
