import { parseWhole } from './exact-json.ts';

/**
 * The answer in a body, as text: the first value of an output, or the place of its highest value, as classes are counted.
 * Reads v2 outputs and v1 predictions in JSON. Undefined when it is not there.
 */
export function answerIn(body: Buffer, output: string, isScores: boolean): string | undefined {
  const values = valuesIn(body, output);
  const [first] = values;
  if (first === undefined || first === null) return undefined;
  if (!isScores) return String(first);
  const scores = values.map(Number);
  if (scores.some(Number.isNaN)) return undefined;
  if (scores.length === 1) return String(Number((scores[0] ?? 0) >= 0.5));
  return String(scores.indexOf(Math.max(...scores)));
}

function valuesIn(body: Buffer, output: string): unknown[] {
  let json: { outputs?: unknown; predictions?: unknown };
  try {
    json = parseWhole(body.toString('utf8')) as typeof json;
  } catch {
    return [];
  }
  if (Array.isArray(json.outputs)) {
    const found = json.outputs.find((each: { name?: unknown }) => each?.name === output) as { data?: unknown };
    return Array.isArray(found?.data) ? found.data.flat(8) : [];
  }
  if (!Array.isArray(json.predictions)) return [];
  const [row] = json.predictions as unknown[];
  const named =
    typeof row === 'object' && row !== null && !Array.isArray(row) ? (row as Record<string, unknown>)[output] : row;
  return Array.isArray(named) ? named.flat(8) : [named];
}
