// One mirrored request to one comparison. Never throws: whatever is wrong with an answer is what the comparison says.
import { hash } from 'node:crypto';
import type { Output } from '../../model-server/protocol/answer.ts';
import { BeyondBounds, type Json, readJson } from '../../model-server/protocol/json.ts';
import { EXACT } from '../../model-server/protocol/readers.ts';
import type { Pair, Side } from '../flow.ts';
import { type Compared, compareClasses, highestConfidence } from './comparators/classification.ts';
import { compareEmbeddings } from './comparators/embedding.ts';
import { compareExactly } from './comparators/exact.ts';
import { compareJson } from './comparators/json.ts';
import { compareRanking } from './comparators/ranking.ts';
import { compareNumbers } from './comparators/regression.ts';
import { compareText } from './comparators/text.ts';
import type { Comparison, ComparisonKind, Detail, FieldComparison, SideFacts } from './comparison.ts';
import type { Reading } from './output.ts';
import { readAnswer } from './read.ts';
import { short } from './short.ts';
import type { CompareAs, CompareSpec } from './spec.ts';

/** Compares the two answers of a pair, and the two of the baseline where there are two. */
export function compare(pair: Pair, spec: CompareSpec): Comparison {
  const { id, model, shadow, at, unit, slices, noise } = pair;
  const baseline = read(pair.baseline, spec);
  const candidate = read(pair.candidate, spec);
  const { kind, reason, fields } = match(baseline, candidate, spec);
  return {
    id,
    model,
    shadow,
    at,
    kind,
    ...(reason !== undefined && { reason }),
    ...(unit !== undefined && { unit: hashOf(unit) }),
    ...(slices !== undefined && { slices }),
    baseline: factsOf(pair.baseline, baseline, spec),
    candidate: factsOf(pair.candidate, candidate, spec),
    fields,
    ...(noise !== undefined && { noise: noiseOf(baseline, noise, spec) }),
  };
}

type Answered = Reading | { readonly kind: 'failed' };

type Match = { readonly kind: ComparisonKind; readonly reason?: string; readonly fields: readonly FieldComparison[] };

const NO_FIELDS: readonly FieldComparison[] = [];

function read(side: Side, spec: CompareSpec): Answered {
  return side.fault !== undefined || side.status >= 400 ? { kind: 'failed' } : readAnswer(side, spec);
}

function noiseOf(baseline: Answered, again: Side, spec: CompareSpec): Pick<Match, 'kind' | 'fields'> {
  const { kind, fields } = match(baseline, read(again, spec), spec);
  return { kind, fields };
}

function match(a: Answered, b: Answered, spec: CompareSpec): Match {
  if (a.kind === 'failed' || b.kind === 'failed') return { kind: errorKind(a, b), fields: NO_FIELDS };
  if (a.kind !== 'outputs') return broken('not_compared', `baseline: ${a.reason}`);
  if (b.kind !== 'outputs')
    return broken(b.kind === 'beyond' ? 'not_compared' : 'unreadable', `candidate: ${b.reason}`);
  try {
    return matchOutputs(a.outputs, b.outputs, spec);
  } catch (error) {
    const isCandidates = error instanceof NoJson && error.side === 'candidate';
    return broken(isCandidates ? 'unreadable' : 'not_compared', (error as Error).message);
  }
}

function errorKind(a: Answered, b: Answered): ComparisonKind {
  if (a.kind !== 'failed') return 'candidate_error';
  return b.kind === 'failed' ? 'both_error' : 'baseline_error';
}

/** Characters of a reason, and of the name of an output: servers choose both, and both are stored. */
const MAX_REASON = 120;
const MAX_NAME = 128;
/** Outputs of one pair that are stored; all are compared. */
const MAX_OUTPUTS = 64;

function broken(kind: ComparisonKind, reason: string): Match {
  return { kind, reason: reason.slice(0, MAX_REASON), fields: NO_FIELDS };
}

function matchOutputs(a: readonly Output[], b: readonly Output[], spec: CompareSpec): Match {
  const wanted = spec.output;
  if (wanted !== undefined && !a.some(({ name }) => name === wanted) && !b.some(({ name }) => name === wanted))
    return broken('not_compared', `neither answer has ${wanted}`);
  const fields: FieldComparison[] = [];
  const byName = new Map([...b].reverse().map((output) => [output.name, output]));
  for (const output of a) {
    const other = byName.get(output.name);
    if (other === undefined) return broken('missing_output', output.name);
    const breakage = breakageOf(output, other, spec.as);
    if (breakage !== undefined) return breakage;
    if (wanted === undefined || wanted === output.name) compareOutput(output, other, spec, fields);
  }
  const known = new Set(a.map(({ name }) => name));
  const extra = b.find(({ name }) => !known.has(name));
  if (extra !== undefined) return broken('extra_output', extra.name);
  const kind = fields.every(({ same }) => same) ? 'same' : 'different';
  return { kind, fields: fields.length <= MAX_OUTPUTS ? fields : fields.sort(differingFirst).slice(0, MAX_OUTPUTS) };
}

function differingFirst(a: FieldComparison, b: FieldComparison): number {
  return Number(a.same) - Number(b.same);
}

/** Kinds whose outputs may have any length. */
const ANY_LENGTH: ReadonlySet<CompareAs> = new Set(['ranking', 'text', 'json']);

function breakageOf(a: Output, b: Output, as: CompareAs): Match | undefined {
  if (a.datatype !== b.datatype) return broken('datatype', `${a.name}: ${a.datatype} became ${b.datatype}`);
  const isOther = a.shape.length !== b.shape.length || a.shape.some((dim, i) => dim !== b.shape[i]);
  if (!isOther || (ANY_LENGTH.has(as) && a.shape.length === b.shape.length)) return undefined;
  return broken('shape', `${a.name}: [${a.shape}] became [${b.shape}]`);
}

function compareOutput(a: Output, b: Output, spec: CompareSpec, into: FieldComparison[]): void {
  if (spec.as === 'json') into.push(...compareJsonValues(a, b, spec));
  else into.push({ field: a.name.slice(0, MAX_NAME), ...COMPARATORS[spec.as](a, b, spec) });
}

type Comparator = (a: Output, b: Output, spec: CompareSpec) => Compared<Detail>;

const COMPARATORS: Readonly<Record<Exclude<CompareAs, 'json'>, Comparator>> = {
  classification: compareClasses,
  regression: compareNumbers,
  ranking: compareRanking,
  embedding: compareEmbeddings,
  text: compareText,
  exact: compareExactly,
};

/** JSON as such, or JSON that travels as the strings of an output. */
function compareJsonValues(a: Output, b: Output, spec: CompareSpec): FieldComparison[] {
  const isWhole = a.datatype === 'JSON' && a.shape.length === 0;
  const inside = (output: Output, side: NoJson['side']) =>
    isWhole ? output.values[0] : Array.from(output.values as ArrayLike<Json>, (value) => parsed(value, side));
  // A difference of all of it has an empty path.
  const named = (path: string) => (path === '' ? a.name : isWhole ? path : `${a.name}.${path}`);
  const fields = compareJson(inside(a, 'baseline') as Json, inside(b, 'candidate') as Json, spec);
  return fields.map((found) => ({ ...found, field: named(found.field).slice(0, MAX_NAME) }));
}

function parsed(value: Json, side: NoJson['side']): Json {
  if (typeof value !== 'string') return value;
  try {
    return readJson(value, EXACT);
  } catch (error) {
    throw error instanceof BeyondBounds ? error : new NoJson(side, error as Error);
  }
}

/** Text that the policy compares as JSON and that is none. */
class NoJson extends Error {
  readonly side: 'baseline' | 'candidate';

  constructor(side: 'baseline' | 'candidate', cause: Error) {
    super(`${side}: ${cause.message}`, { cause });
    this.side = side;
  }
}

function factsOf(side: Side, reading: Answered, spec: CompareSpec): SideFacts {
  const confidence = confidenceIn(reading, spec);
  return {
    version: side.version,
    status: side.status,
    ...(side.fault !== undefined && { fault: side.fault }),
    server: side.server,
    latencyMs: short(side.latencyMs),
    bytes: side.body.length,
    ...(side.digest !== undefined && { digest: side.digest }),
    ...(confidence !== undefined && { confidence: short(confidence) }),
  };
}

function confidenceIn(reading: Answered, { as, output }: CompareSpec): number | undefined {
  if (reading.kind !== 'outputs') return undefined;
  if (reading.confidence !== undefined || as !== 'classification') return reading.confidence;
  const compared = output === undefined ? reading.outputs[0] : reading.outputs.find(({ name }) => name === output);
  return compared === undefined ? undefined : highestConfidence(compared);
}

/** The first 64 bits of the unit's SHA-256. */
function hashOf(unit: string): string {
  return hash('sha256', unit, 'hex').slice(0, 16);
}
