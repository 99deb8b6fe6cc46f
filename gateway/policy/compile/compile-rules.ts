// The conditions of rules, from nested keys as written to a flat list in the order of their cost.
import type { Complexity, Condition, Feature, FeatureKind, Match, Range, Rule } from '../conditions.ts';
import type { Calibration, CalibrationMethod, ConfidenceFrom, Escalation } from '../escalation.ts';
import type { WrittenTiered } from '../schema/model.ts';

type WrittenRule = WrittenTiered['tiers']['rules'][number];
type WrittenWhen = Omit<NonNullable<WrittenRule['when']>, never>;
type WrittenMatch = NonNullable<WrittenWhen['header']>[string];
type WrittenRange = NonNullable<WrittenWhen['complexity']>;

type WrittenEscalation = NonNullable<WrittenTiered['tiers']['escalate']>;
type WrittenCalibration = NonNullable<WrittenEscalation['calibration']>[string][number];

/** When tiers pass requests on, with the place of each tier's confidence worked out. */
export function compileEscalation(tiers: readonly string[], written: WrittenEscalation): Escalation {
  const { below, budget, burst, confidence, confidence_of: own = {}, calibration = {} } = written;
  return {
    below: new Map(Object.entries(below)),
    confidence: new Map(tiers.map((tier) => [tier, compileConfidence(own[tier] ?? confidence)])),
    calibrations: new Map(Object.entries(calibration).map(([tier, files]) => [tier, files.map(compileCalibration)])),
    budget,
    burst,
  };
}

function compileCalibration(written: WrittenCalibration): Calibration {
  const { sha256, temperature, platt, isotonic = [], fitted } = written;
  const method: CalibrationMethod =
    temperature !== undefined
      ? { kind: 'temperature', temperature }
      : platt !== undefined
        ? { kind: 'platt', ...platt }
        : { kind: 'isotonic', points: isotonic };
  return { sha256, method, escalated: fitted?.escalated };
}

function compileConfidence(written: WrittenEscalation['confidence']): ConfidenceFrom {
  if ('output' in written) return { from: 'output', name: written.output, as: written.as };
  if ('field' in written) return { from: 'field', path: written.field.split('.') };
  return { from: 'parameter', name: written.parameter };
}

/** One rule. */
export function compileRule({ when, use }: WrittenRule): Rule {
  return { when: when === undefined ? [] : compileCondition(when), use };
}

/** All conditions of one `when`: headers first, for they cost nothing; complexity last, for it costs the most. */
export function compileCondition(when: WrittenWhen): Condition[] {
  const body = (path: string[], match: WrittenMatch): Condition => ({ on: 'body', path, match: compileMatch(match) });
  const ranged = (on: 'body_bytes' | 'text_length' | 'complexity'): Condition[] => {
    const written = when[on];
    return written === undefined ? [] : [{ on, match: compileRange(written) }];
  };
  return [
    ...Object.entries(when.header ?? {}).map(
      ([name, match]): Condition => ({ on: 'header', name, match: compileMatch(match) }),
    ),
    ...ranged('body_bytes'),
    ...Object.entries(when.parameter ?? {}).map(([name, match]) => body(['parameters', name], match)),
    ...Object.entries(when.body ?? {}).map(([path, match]) => body(path.split('.'), match)),
    ...ranged('text_length'),
    ...ranged('complexity'),
  ];
}

/** The features that make up a complexity, in the order written. */
export function compileComplexity(written: NonNullable<WrittenTiered['tiers']['complexity']>): Complexity {
  const { field, ...plain } = written;
  const features = Object.entries(plain).flatMap(([kind, scale]): Feature[] =>
    scale === undefined ? [] : [{ ...scale, kind: kind as FeatureKind, path: [] }],
  );
  if (field === undefined) return { features };
  const { path, weight, low, high } = field;
  return { features: [...features, { kind: 'field', path: path.split('.'), weight, low, high }] };
}

function compileMatch(written: WrittenMatch): Match {
  if (Array.isArray(written)) return { oneOf: written };
  if (typeof written !== 'object') return { oneOf: [written] };
  return written.present === undefined ? compileRange(written) : { present: written.present };
}

function compileRange({ below, at_least }: WrittenRange): Range {
  return { below: below ?? Number.POSITIVE_INFINITY, atLeast: at_least ?? Number.NEGATIVE_INFINITY };
}
