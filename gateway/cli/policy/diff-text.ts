import { countText, shareText } from '../text/amounts.ts';
import { table } from '../text/table.ts';
import { changeText } from './changes.ts';
import type { Difference } from './difference.ts';
import type { Movement } from './movement.ts';

/** A difference for people. */
export function diffText(old: string, now: string, difference: Difference): string {
  const { changes, refused, movements, not_followed } = difference;
  if (changes.length === 0) return 'no difference: the two policies mean the same';
  return [
    changes.map(changeText).join('\n'),
    ...(refused.length > 0 ? [refusedText(old, now, refused)] : []),
    ...movements.map(movementText),
    ...(not_followed.length > 0 ? [notFollowedText(not_followed)] : []),
  ].join('\n\n');
}

function refusedText(old: string, now: string, refused: Difference['refused']): string {
  const reasons = refused.map(({ path, message }) => `  ${path}: ${message}`);
  return `warning: a gateway that runs ${old} refuses ${now}\n${reasons.join('\n')}`;
}

function movementText(movement: Movement): string {
  const { model, ladder, callers, flows } = movement;
  const rows = flows.map(({ from, to, callers: count }) => [
    from,
    from === to ? 'stay' : `-> ${to}`,
    countText(count),
    shareText(count / callers),
  ]);
  const note = ladder ? ', sending only what they are sorted by: rules find nothing else' : '';
  return `callers of ${model}${note}\n${table([['from', 'to', 'callers', 'share'], ...rows], 2)}\n  ${summaryText(movement)}`;
}

function summaryText({ callers, changed, back, across, to_another_tier, refused }: Movement): string {
  const parts = [
    `${countText(changed)} of ${countText(callers)} callers change version`,
    `${countText(back)} of them move back to the baseline, ${countText(across)} between candidates or arms`,
    ...(to_another_tier > 0 ? [`${countText(to_another_tier)} get another tier`] : []),
    ...(refused > 0 ? [`${countText(refused)} are refused`] : []),
  ];
  return parts.join('; ');
}

function notFollowedText(names: readonly string[]): string {
  const listed =
    names.length > 10 ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more` : names.join(', ');
  return `callers not followed: ${listed}; --model NAME follows those of one`;
}
