import { answerOf, type Output, outputNamed } from '../../model-server/protocol/answer.ts';
import { readJson } from '../../model-server/protocol/json.ts';
import { EXACT } from '../../model-server/protocol/readers.ts';

/**
 * The answer in a body, as text: the first value of an output, or the place of its highest value, as classes are counted.
 * `headerLength` is the answer's `Inference-Header-Content-Length`. Undefined when there is none that can be read.
 */
export function answerIn(body: Buffer, output: string, isScores: boolean, headerLength?: number): string | undefined {
  const values = valuesIn(body, headerLength ?? body.length, output);
  const [first] = values;
  if (first === undefined || first === null) return undefined;
  if (!isScores) return String(first);
  const scores = values.map(Number);
  if (scores.some(Number.isNaN)) return undefined;
  if (scores.length === 1) return String(Number((scores[0] ?? 0) >= 0.5));
  return String(scores.indexOf(Math.max(...scores)));
}

/** The values of the first row of v1, all values of v2; none when they cannot be read or are more than scalars. */
function valuesIn(body: Buffer, headerLength: number, name: string): readonly unknown[] {
  try {
    const answer = answerOf(readJson(body.toString('utf8', 0, headerLength), EXACT), body.subarray(headerLength));
    const output = answer && outputNamed(answer, name)?.decode();
    return output === undefined ? [] : firstOf(output);
  } catch {
    return [];
  }
}

function firstOf({ datatype, shape, values }: Output): readonly unknown[] {
  if (datatype === 'BOOL') return Array.from(values as ArrayLike<unknown>, Boolean);
  const count = datatype === 'JSON' && shape.length > 0 ? values.length / (shape[0] ?? 1) : values.length;
  const first = Array.from({ length: count }, (_, i) => values[i]);
  return typeof first[0] === 'object' ? [] : first;
}
