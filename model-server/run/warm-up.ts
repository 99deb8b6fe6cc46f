import { DATATYPES, type Datatype } from '../protocol/names.ts';
import type { TensorData } from '../protocol/tensor-bytes.ts';
import { countOf } from '../protocol/tensor-bytes.ts';
import { joinInputs } from './batch.ts';
import type { Instance } from './instance.ts';
import type { PartResult } from './session.ts';
import type { Signature } from './signature.ts';
import type { Tensor } from './tensors.ts';

/** Inputs that fit a signature, every size that varies being 1; the same for the same seed. */
export function sampleInputs({ inputs }: Signature, seed: number): readonly Tensor[] {
  return inputs.map(({ name, datatype, shape }) => {
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
    return { name, datatype, shape: dims, data: sampleData(datatype, countOf(dims), seed) };
  });
}

/** Runs inputs once, so that the first caller does not pay for what the runtime does late; rejects with its reason. */
export async function warmUp(instance: Instance, { outputs }: Signature, inputs: readonly Tensor[]): Promise<void> {
  await runOne(instance, inputs, namesOf(outputs), 1);
}

/** Whether a run failed within the model, as it may on inputs that we made up. Any other failure is met by every request. */
export function isOfTheModel(reason: string): boolean {
  return /returned while running \S+ node/.test(reason);
}

/**
 * Says why two requests cannot share a run, or undefined if they can: run together, the first is answered as it is alone.
 * The sample has `rows` rows; only floating-point outputs are compared, to one per cent.
 */
export async function batchingProblem(
  instance: Instance,
  { outputs }: Signature,
  sample: readonly Tensor[],
): Promise<string | undefined> {
  const names = namesOf(outputs);
  const rows = sample[0]?.shape[0] ?? 1;
  const other = sample.map((input) => ({ ...input, data: sampleData(input.datatype, input.data.length, 2) }));
  const alone = await runOne(instance, copyOf(sample), names, rows);
  const together = await runOne(instance, joinInputs([sample, other]), names, 2 * rows);
  const odd = alone.find((output, index) => !beginsWith(together[index], output, 2 * rows));
  return odd && `output "${odd.name}" of a row depends on its neighbours, or has no row for each`;
}

async function runOne(
  instance: Instance,
  inputs: readonly Tensor[],
  outputs: readonly string[],
  rows: number,
): Promise<readonly Tensor[]> {
  const { results } = await instance.run([{ inputs, outputs, rows }]);
  const [result]: readonly PartResult[] = results;
  if (result === undefined || 'failure' in result) {
    throw new Error(result?.failure ?? 'no result');
  }
  return result.outputs;
}

function beginsWith(whole: Tensor | undefined, part: Tensor, rows: number): boolean {
  if (whole === undefined || whole.shape[0] !== rows || whole.data.length !== 2 * part.data.length) {
    return false;
  }
  const { data } = whole;
  return (
    !(part.data instanceof Float32Array || part.data instanceof Float64Array) ||
    part.data.every((value, index) => isClose(value, Number(data[index])))
  );
}

function isClose(a: number, b: number): boolean {
  return Object.is(a, b) || Math.abs(a - b) <= 0.01 * Math.max(1, Math.abs(a));
}

function namesOf(outputs: Signature['outputs']): readonly string[] {
  return outputs.map(({ name }) => name);
}

// A run takes the memory of its inputs along.
function copyOf(tensors: readonly Tensor[]): readonly Tensor[] {
  return tensors.map((tensor) => ({ ...tensor, data: tensor.data.slice() as TensorData }));
}

/** Fractions for floating point; 0 for whole numbers, because they may be positions in a table. */
function sampleData(datatype: Datatype, count: number, seed: number): TensorData {
  if (datatype === 'BYTES') {
    return new Array<string>(count).fill(seed % 2 === 0 ? 'even words' : 'odd');
  }
  const data = new DATATYPES[datatype].array(count);
  if (data instanceof Float32Array || data instanceof Float64Array) {
    for (let index = 0; index < count; index++) {
      data[index] = ((index * 37 + seed * 61) % 101) / 101;
    }
  }
  return data;
}
