// Whether a ladder of tiers leads somewhere, and its rules decide every request.
import type { Mistake } from '../mistakes.ts';
import type { WrittenTiered } from '../schema/model.ts';
import type { PolicyFile } from '../schema.ts';
import { known, knownServed, type Path } from './known.ts';

/** Every mistake in one model's tiers. */
export function checkTiers(name: string, { tiers }: WrittenTiered, file: PolicyFile): Mistake[] {
  const path = ['models', name, 'tiers'];
  const tierNames = Object.keys(tiers.ladder);
  return [
    ...tierNames.flatMap((tier) => checkRung([...path, 'ladder', tier], tier, tiers.ladder, file)),
    ...(tierNames.length === 0 ? [{ path: [...path, 'ladder'], message: 'expected at least one tier' }] : []),
    ...tiers.rules.flatMap((rule, i) => known([...path, 'rules', i, 'use'], rule.use, tierNames, 'tier')),
    ...checkRuleOrder([...path, 'rules'], tiers.rules),
    ...checkComplexity(path, tiers),
    ...(tiers.no_signal === undefined ? [] : known([...path, 'no_signal'], tiers.no_signal, tierNames, 'tier')),
    ...checkEscalation([...path, 'escalate', 'below'], tiers),
    ...Object.keys(tiers.escalate?.confidence_of ?? {}).flatMap((tier) =>
      known([...path, 'escalate', 'confidence_of', tier], tier, tierNames, 'tier', '', 'key'),
    ),
    ...Object.entries(tiers.escalate?.calibration ?? {}).flatMap(([tier, files]) =>
      checkCalibration([...path, 'escalate', 'calibration', tier], tier, files, tiers),
    ),
    ...Object.keys(tiers.costs ?? {}).flatMap((tier) =>
      known([...path, 'costs', tier], tier, tierNames, 'tier', '', 'key'),
    ),
  ];
}

function checkRung(path: Path, tier: string, ladder: Readonly<Record<string, string>>, file: PolicyFile): Mistake[] {
  const target = ladder[tier] ?? '';
  // JavaScript puts keys that look like numbers first, and the ladder would change its order.
  if (/^\d+$/.test(tier)) return [{ path, message: 'a tier needs a letter in its name', at: 'key' }];
  const [other] = Object.entries(ladder).find(([, model]) => model === target) ?? [];
  if (other !== undefined && other !== tier) return [{ path, message: `"${target}" is tier "${other}" already` }];
  const model = Object.hasOwn(file.models, target) ? file.models[target] : undefined;
  if (model !== undefined && 'protocol' in model && model.protocol === 'http')
    return [{ path, message: `"${target}" has protocol http; a tier speaks an inference protocol` }];
  return knownServed(path, target, file, 'a ladder is made of models');
}

function checkRuleOrder(path: Path, rules: WrittenTiered['tiers']['rules']): Mistake[] {
  const always = rules.findIndex(({ when }) => when === undefined);
  if (always === -1)
    return [
      {
        path: [...path, rules.length - 1],
        message: 'the last rule must have no `when`, so that some rule always holds',
      },
    ];
  return rules.slice(always + 1).map((_, i) => ({
    path: [...path, always + 1 + i],
    message: `never reached: rule ${always + 1} has no \`when\` and always holds`,
  }));
}

function checkComplexity(path: Path, tiers: WrittenTiered['tiers']): Mistake[] {
  const asks = tiers.rules.findIndex(({ when }) => when?.complexity !== undefined);
  if (asks === -1) return [];
  const mistakes: Mistake[] = [];
  const rule = [...path, 'rules', asks, 'when', 'complexity'];
  if (tiers.complexity === undefined)
    mistakes.push({ path: rule, message: 'the tiers have no `complexity` to compute it from' });
  if (tiers.no_signal === undefined)
    mistakes.push({
      path: rule,
      message: 'say with `no_signal` which tier a request gets whose complexity cannot be told',
    });
  return mistakes;
}

function checkEscalation(path: Path, { escalate, ladder }: WrittenTiered['tiers']): Mistake[] {
  const tiers = Object.keys(ladder);
  return Object.keys(escalate?.below ?? {}).flatMap((tier) => {
    if (tier === tiers.at(-1))
      return [{ path: [...path, tier], message: 'the last tier has none to pass a request on to', at: 'key' as const }];
    return known([...path, tier], tier, tiers, 'tier', '', 'key');
  });
}

function checkCalibration(
  path: Path,
  tier: string,
  files: readonly { readonly sha256: string }[],
  { ladder, escalate }: WrittenTiered['tiers'],
): Mistake[] {
  const unknown = known(path, tier, Object.keys(ladder), 'tier', '', 'key');
  if (unknown.length > 0) return unknown;
  if (escalate !== undefined && !Object.hasOwn(escalate.below, tier))
    return [
      { path, message: `tier "${tier}" has no threshold in \`below\`, so its confidence is never read`, at: 'key' },
    ];
  return files.flatMap(({ sha256 }, i) =>
    files.findIndex((other) => other.sha256 === sha256) < i
      ? [{ path: [...path, i, 'sha256'], message: 'this model file has a calibration already' }]
      : [],
  );
}
