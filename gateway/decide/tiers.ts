import { MISSED_WORDS } from '../flow.ts';
import type { Condition } from '../policy/conditions.ts';
import type { TieredModel } from '../policy/policy.ts';
import { complexityOf } from './complexity.ts';
import { fits, isIn, seenBy, shown } from './match.ts';
import type { Trace, View } from './view.ts';

/** The tier a request starts at, and the rule that said so (from 1); rule 0 stands for `no_signal`. */
export type Start = { readonly tier: string; readonly rule: number };

/**
 * The first rule whose conditions all hold decides. A rule that asks for the complexity of a request that shows none sends
 * it to the tier that the policy names for that, whatever the rules behind it say: no signal is not the same as easy.
 */
export function startTier(model: TieredModel, view: View, trace?: Trace): Start {
  const score = lazily(() => model.complexity && complexityOf(model.complexity, view));
  for (const [i, { when, use }] of model.rules.entries()) {
    const verdict = allHold(when, view, score, trace && ((what, result) => trace(`rule ${i + 1}, ${what}`, result)));
    trace?.(
      `rule ${i + 1}`,
      verdict === 'no_signal' ? `no signal: tier ${model.noSignal}` : verdict ? `holds: tier ${use}` : 'does not hold',
    );
    if (verdict === 'no_signal' && model.noSignal !== undefined) return { tier: model.noSignal, rule: 0 };
    if (verdict === true) return { tier: use, rule: i + 1 };
  }
  throw new Error(`model ${model.name}: no rule holds, though the last one of a checked policy always does`);
}

function allHold(
  conditions: readonly Condition[],
  view: View,
  score: () => number | undefined,
  trace: Trace | undefined,
): boolean | 'no_signal' {
  for (const condition of conditions) {
    if (condition.on === 'complexity') {
      const complexity = score();
      trace?.('complexity', complexity === undefined ? `no signal${whyNot(view)}` : complexity.toFixed(3));
      if (complexity === undefined) return 'no_signal';
      if (!isIn(condition.match, complexity)) return false;
    } else {
      const value = seenBy(condition, view);
      trace?.(nameOf(condition), value === undefined ? `absent${whyNot(view)}` : shown(value));
      if (!fits(condition.match, value)) return false;
    }
  }
  return true;
}

/** Why nothing can be seen inside the body, where that is so. */
function whyNot({ missed }: View): string {
  return missed?.rules === undefined ? '' : `: ${MISSED_WORDS[missed.rules]}`;
}

function nameOf(condition: Condition): string {
  if (condition.on === 'header') return `header ${condition.name}`;
  return condition.on === 'body' ? `body ${condition.path.join('.')}` : condition.on;
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
