import { answerOf, type Output, outputNamed } from '../../../model-server/protocol/answer.ts';
import { isObject, type Json, readJson } from '../../../model-server/protocol/json.ts';
import { Malformed } from '../../../model-server/protocol/malformed.ts';
import { EXACT } from '../../../model-server/protocol/readers.ts';
import { show } from '../../../model-server/protocol/show.ts';

/** The answer of a body, or why it has none. */
export type FoundAnswer = { readonly answer: string } | { readonly reason: string };

/**
 * The answer in a body, as text: the first value of an output, or the place of its highest value, as classes are counted.
 * `headerLength` is the answer's `Inference-Header-Content-Length`.
 */
export function answerIn(body: Buffer, output: string, isScores: boolean, headerLength?: number): FoundAnswer {
  try {
    const values = valuesIn(body, headerLength ?? body.length, output);
    return { answer: isScores ? placeOfHighest(values, output) : String(values[0]) };
  } catch (error) {
    // Malformed, SyntaxError and BeyondBounds: the body is at fault, and each says in what.
    return { reason: (error as Error).message };
  }
}

function placeOfHighest(values: readonly unknown[], name: string): string {
  const scores = values.map(Number);
  if (scores.some(Number.isNaN)) throw new Malformed(`output ${name} holds what is no number`);
  if (scores.length === 1) return String(Number((scores[0] ?? 0) >= 0.5));
  return String(scores.indexOf(Math.max(...scores)));
}

/** The values of the first row of v1, all values of v2. Throws Malformed when there is none, or it is more than a scalar. */
function valuesIn(body: Buffer, headerLength: number, name: string): readonly unknown[] {
  const json = readJson(body.toString('utf8', 0, headerLength), EXACT);
  const answer = answerOf(json, body.subarray(headerLength));
  if (answer === undefined) throw new Malformed('it has neither outputs nor predictions');
  const output = outputNamed(answer, name);
  if (output === undefined) throw new Malformed(withoutDatatype(json) ?? `it has no output ${name}`);
  const values = firstOf(output.decode());
  const [first] = values;
  if (first === undefined || first === null) throw new Malformed(`output ${name} has no value`);
  if (typeof first === 'object') throw new Malformed(`output ${name} has ${unevenness(first)}`);
  return values;
}

/** What a value is that is no tensor. */
function unevenness(value: unknown): string {
  const isRows = Array.isArray(value) && value.length > 1 && value.every(Array.isArray);
  if (isRows && new Set(value.map((row) => row.length)).size > 1) return 'rows of different length';
  return 'values that are neither numbers nor texts';
}

/** Outputs as v2 has them, but for a datatype, are read as v1's columns: then what is missing is the datatype. */
function withoutDatatype(json: Json): string | undefined {
  const outputs = isObject(json) ? json.outputs : undefined;
  if (!Array.isArray(outputs)) return undefined;
  const bare = outputs.find((each) => isObject(each) && typeof each.name === 'string' && each.datatype === undefined);
  return bare && `an output without a datatype: ${show(bare.name)}`;
}

function firstOf({ datatype, shape, values }: Output): readonly unknown[] {
  if (datatype === 'BOOL') return Array.from(values as ArrayLike<unknown>, Boolean);
  const count = datatype === 'JSON' && shape.length > 0 ? values.length / (shape[0] ?? 1) : values.length;
  return Array.from({ length: count }, (_, i) => values[i]);
}
