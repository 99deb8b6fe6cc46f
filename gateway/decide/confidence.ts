// How sure a model was of an answer, read from the answer itself.
import { answerOf, type Output, outputNamed, rowWidth } from '../../model-server/protocol/answer.ts';
import { confidenceOf } from '../../model-server/protocol/confidence.ts';
import type { ConfidenceFrom } from '../policy/escalation.ts';
import { jsonWithin, valueAt } from './inside.ts';

/**
 * The confidence of an answer, in [0, 1]: of a batch that of its least certain row. Undefined when it cannot be read, is
 * missing, no number or out of range: whoever asks must take that for "not sure", never for "sure".
 */
export function confidenceIn(from: ConfidenceFrom, body: Buffer, headerLength: string | undefined): number | undefined {
  const json = jsonWithin(body, headerLength);
  if (json === undefined) return undefined;
  if (from.from === 'field') return inRange(valueAt(json, from.path));
  if (from.from === 'parameter') return inRange(valueAt(json, ['parameters', from.name]));
  const output = outputIn(json, from.name, body.subarray(Number(headerLength ?? body.length)));
  return output && confidenceOf(output.values, rowWidth(output), from.as);
}

function inRange(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
}

/** An output that may hold probabilities; undefined when it is not there or not what it says. The others are not decoded. */
function outputIn(json: object, name: string, binary: Buffer): Output | undefined {
  try {
    const answer = answerOf(json, binary);
    const output = answer && outputNamed(answer, name)?.decode();
    return output !== undefined && isFloat(output.datatype) ? output : undefined;
  } catch {
    return undefined;
  }
}

/** Whole numbers are labels or counts, whatever their values; v1 has no datatypes. */
function isFloat(datatype: string): boolean {
  return datatype.startsWith('FP') || datatype === 'BF16' || datatype === 'JSON';
}
