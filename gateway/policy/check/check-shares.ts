// How rollouts and experiments divide the callers among versions.
import type { Mistake } from '../mistakes.ts';
import type { WrittenExperiment, WrittenRollout, WrittenServed } from '../schema/model.ts';
import { known, type Path } from './known.ts';

/** Every mistake in the rollouts of one model. */
export function checkRollouts(path: Path, model: WrittenServed, labels: readonly string[]): Mistake[] {
  if (model.rollout === undefined) return [];
  const isList = Array.isArray(model.rollout);
  const rollouts = Array.isArray(model.rollout) ? model.rollout : [model.rollout];
  const at = (i: number, ...rest: PropertyKey[]) => [...path, 'rollout', ...(isList ? [i] : []), ...rest];
  return rollouts.flatMap((rollout, i) => [
    ...known(at(i, 'candidate'), rollout.candidate, labels, 'version'),
    ...(rollout.candidate === model.baseline
      ? [
          {
            path: at(i, 'candidate'),
            message: `"${rollout.candidate}" is the baseline; a rollout needs another version`,
          },
        ]
      : []),
    ...checkOnce(at(i, 'candidate'), rollouts, i),
    ...checkSteps(at(i, 'steps'), rollout),
    ...(isList ? checkBlocks(at(i), rollouts, i) : checkAlone(at(i, 'from'), rollout)),
    ...checkSalt(at(i), rollouts, i),
  ]);
}

function checkOnce(path: Path, rollouts: readonly WrittenRollout[], i: number): Mistake[] {
  const other = rollouts.slice(0, i).find(({ candidate }) => candidate === rollouts[i]?.candidate);
  return other === undefined
    ? []
    : [{ path, message: `"${other.candidate}" is the candidate of rollout "${other.id}"` }];
}

function checkSteps(path: Path, { steps }: WrittenRollout): Mistake[] {
  return steps.flatMap((step, i) => {
    const before = steps[i - 1];
    if (before === undefined) return [];
    if (step.share < before.share)
      return [
        { path: [...path, i], message: 'a step must not be smaller than the one before it; callers would move back' },
      ];
    if (before.until === 'held')
      return [{ path: [...path, i - 1], message: 'say when this step ends: "for 10m" or "until approved"' }];
    return [];
  });
}

function checkAlone(path: Path, { from }: WrittenRollout): Mistake[] {
  return from === undefined ? [] : [{ path, message: 'from belongs to a list of rollouts; one rollout starts at 0%' }];
}

/** In a list each rollout owns [from, from + largest step), sorted by the same unit, and no two blocks overlap. */
function checkBlocks(path: Path, rollouts: readonly WrittenRollout[], i: number): Mistake[] {
  const [first] = rollouts;
  const rollout = rollouts[i];
  if (first === undefined || rollout === undefined) return [];
  if (rollout.from === undefined && rollouts.length > 1)
    return [{ path, message: 'in a list each rollout says where its block of callers starts, such as from: 50%' }];
  const end = endOf(rollout);
  if (end > 1 + 1e-9) return [{ path: [...path, 'from'], message: 'from and the largest step together exceed 100%' }];
  if (JSON.stringify([rollout.unit, rollout.without_unit]) !== JSON.stringify([first.unit, first.without_unit]))
    return [
      { path: [...path, 'unit'], message: 'the rollouts of one model are sorted by the same unit and without_unit' },
    ];
  return rollouts.slice(0, i).flatMap((other) => {
    const overlap = Math.min(end, endOf(other)) - Math.max(rollout.from ?? 0, other.from ?? 0);
    return overlap > 1e-9
      ? [{ path: [...path, 'from'], message: `its block of callers overlaps that of rollout "${other.id}"` }]
      : [];
  });
}

/** The rollouts of a list share one bucket space, and so one salt. */
function checkSalt(path: Path, rollouts: readonly WrittenRollout[], i: number): Mistake[] {
  const [own, first] = [rollouts[i]?.salt, rollouts[0]?.salt];
  if (own === first) return [];
  const message = 'the rollouts of one model are sorted under one salt: give each the same, or none of them one';
  return [{ path: own === undefined ? path : [...path, 'salt'], message }];
}

function endOf({ from = 0, steps }: WrittenRollout): number {
  return from + Math.max(...steps.map(({ share }) => share));
}

/** Every mistake in an experiment. */
export function checkExperiment(path: Path, experiment: WrittenExperiment, labels: readonly string[]): Mistake[] {
  const arms = Object.entries(experiment.arms);
  const mistakes = arms.flatMap(([label, arm]) => {
    const at = [...path, 'arms', label];
    // JavaScript puts keys that look like numbers first, and the blocks would change their order.
    if (/^\d+$/.test(label))
      return [{ path: at, message: 'the version of an arm needs a letter in its label', at: 'key' as const }];
    if (typeof arm === 'object' && arm.up_to < arm.share)
      return [{ path: [...at, 'up_to'], message: 'up_to is less than share' }];
    return known(at, label, labels, 'version', '', 'key');
  });
  const total = arms.reduce((sum, [, arm]) => sum + (typeof arm === 'object' ? arm.up_to : arm), 0);
  if (arms.length === 0) mistakes.push({ path: [...path, 'arms'], message: 'expected at least one arm' });
  if (total > 1 + 1e-9)
    mistakes.push({
      path: [...path, 'arms'],
      message: `the arms add up to ${+(total * 100).toFixed(4)}%, more than 100%`,
    });
  if (arms.length > 0 && arms.every(([, arm]) => (typeof arm === 'object' ? arm.share : arm) === 0))
    mistakes.push({ path: [...path, 'arms'], message: 'every arm is at 0%' });
  return mistakes;
}
