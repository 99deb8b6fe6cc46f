// Parts of a policy in words, the same in every command.
import { SLOTS } from '../../decide/bucket.ts';
import type { Condition, Match } from '../../policy/conditions.ts';
import type { Block, Buckets, Step, Unit } from '../../policy/policy.ts';
import { durationText, shareText } from '../text/amounts.ts';

/** `header x-user-id`, `body user.id` or `random`, as the policy writes it. */
export function unitText(unit: Unit): string {
  if (unit.from === 'header') return `header ${unit.name}`;
  return unit.from === 'body' ? `body ${unit.path.join('.')}` : 'random';
}

/** What becomes of a request without the unit. */
export function withoutUnitText(withoutUnit: Buckets['withoutUnit']): string {
  return typeof withoutUnit === 'object' ? `key ${JSON.stringify(withoutUnit.key)}` : withoutUnit;
}

/** The share of all callers that a block holds. */
export function shareOf({ from, to }: Block): number {
  return (to - from) / SLOTS;
}

/** `5 % for 10m`, `5 % until approved` or `5 %`. */
export function stepText({ share, until }: Step): string {
  return `${shareText(share)}${untilText(until, ' ')}`;
}

/** What ends a step; nothing for one that is held. */
export function untilText(until: Step['until'], before = ''): string {
  if (until === 'held') return '';
  return before + (until === 'approved' ? 'until approved' : `for ${durationText(until.bakeMs)}`);
}

/** One condition of a rule. */
export function conditionText(condition: Condition): string {
  const name =
    condition.on === 'header'
      ? `header ${condition.name}`
      : condition.on === 'body'
        ? `body ${condition.path.join('.')}`
        : condition.on;
  return `${name} ${matchText(condition.match)}`;
}

function matchText(match: Match): string {
  if ('present' in match) return match.present ? 'is there' : 'is not there';
  if ('oneOf' in match) {
    const values = match.oneOf.map((value) => JSON.stringify(value));
    return values.length === 1 ? `= ${values[0]}` : `is one of ${values.join(', ')}`;
  }
  const bounds = [
    ...(Number.isFinite(match.atLeast) ? [`>= ${match.atLeast}`] : []),
    ...(Number.isFinite(match.below) ? [`< ${match.below}`] : []),
  ];
  return bounds.join(' and ');
}
