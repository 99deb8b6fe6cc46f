import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { readWarmUpRequest } from '../http/v2.ts';
import type { Provider } from '../protocol/provider-names.ts';
import type { TensorData } from '../protocol/tensor-bytes.ts';
import { canBatch } from './batch.ts';
import { Instance } from './instance.ts';
import type { OpenedModel } from './session.ts';
import type { Tensor } from './tensors.ts';
import { sampleInputs } from './warm-up.ts';

/** What to compare: a version's folder, the providers, batch sizes, runs of each, and a request in that folder to repeat. */
export type Comparison = {
  readonly folder: string;
  readonly providers: readonly Provider[];
  readonly rows: readonly number[];
  readonly runs: number;
  readonly request: string | undefined;
};

/** One provider at one batch size; `difference` is the largest from the CPU's outputs, as a share of the largest there. */
export type ComparedRun = {
  readonly provider: Provider;
  readonly rows: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly difference: number;
};

/** Runs the model on the CPU and on each provider; rejects when one cannot be used: nothing falls back here. */
export async function compareProviders(comparison: Comparison): Promise<readonly ComparedRun[]> {
  const { folder, providers, rows, runs, request } = comparison;
  const results: ComparedRun[] = [];
  const expected = new Map<number, readonly Tensor[]>();
  for (const provider of ['cpu', ...providers.filter((each) => each !== 'cpu')] as const) {
    const instance = new Instance(() => undefined);
    try {
      const opened = await openOn(instance, provider, folder);
      const sample =
        request === undefined ? sampleInputs(opened.signature, 1) : await sampleFrom(folder, request, opened);
      for (const count of canBatch(opened.signature) ? rows : [1]) {
        const { outputs, times } = await repeat(instance, opened, repeatRows(sample, count), runs);
        const reference = expected.get(count) ?? outputs;
        expected.set(count, reference);
        const difference = Math.max(0, ...outputs.map((output, index) => differenceOf(output, reference[index])));
        results.push({ provider, rows: count, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99), difference });
      }
    } finally {
      await instance.close();
    }
  }
  return results;
}

/** The results as a Markdown table; `x CPU` is how many times as fast as the CPU a provider is at the same batch. */
export function comparisonTable(results: readonly ComparedRun[]): string {
  const cpu = new Map(results.filter(({ provider }) => provider === 'cpu').map(({ rows, p50Ms }) => [rows, p50Ms]));
  const lines = results.map(({ provider, rows, p50Ms, p99Ms, difference }) => {
    const perSecond = ((rows * 1000) / p50Ms).toFixed(0);
    const speed = ((cpu.get(rows) ?? Number.NaN) / p50Ms).toFixed(2);
    return [provider, rows, p50Ms.toFixed(3), p99Ms.toFixed(3), perSecond, speed, difference.toExponential(1)];
  });
  const head = ['provider', 'rows', 'p50 ms', 'p99 ms', 'rows/s', 'x CPU', 'largest difference'];
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function openOn(instance: Instance, provider: Provider, folder: string): Promise<OpenedModel> {
  const path = join(folder, 'model.onnx');
  return instance.open({ path, threads: 1, providers: [provider], arena: true, device: 0 }).catch((error: unknown) => {
    throw new Error(`provider ${provider} cannot be used: ${messageOf(error)}`, { cause: error });
  });
}

function sampleFrom(folder: string, request: string, { signature }: OpenedModel): Promise<readonly Tensor[]> {
  return readWarmUpRequest(folder, request, signature);
}

/** The first row of each input, `count` times. */
function repeatRows(sample: readonly Tensor[], count: number): readonly Tensor[] {
  return sample.map((input) => {
    const rows = input.shape[0] ?? 1;
    const perRow = input.data.length / rows;
    if (Array.isArray(input.data)) {
      const text = input.data.slice(0, perRow);
      return {
        ...input,
        shape: [count, ...input.shape.slice(1)],
        data: Array.from({ length: count }, () => text).flat(),
      };
    }
    const data = new (input.data.constructor as Float32ArrayConstructor)(perRow * count);
    for (let row = 0; row < count; row++) {
      data.set(input.data.subarray(0, perRow) as Float32Array, row * perRow);
    }
    return { ...input, shape: [count, ...input.shape.slice(1)], data };
  });
}

async function repeat(
  instance: Instance,
  { signature }: OpenedModel,
  inputs: readonly Tensor[],
  runs: number,
): Promise<{ outputs: readonly Tensor[]; times: readonly number[] }> {
  const names = signature.outputs.map(({ name }) => name);
  const times: number[] = [];
  let outputs: readonly Tensor[] = [];
  // A GPU compiles and allocates in its first runs.
  for (let run = -Math.ceil(runs / 10); run < runs; run++) {
    const copy = inputs.map((input) => ({ ...input, data: input.data.slice() as TensorData }));
    const { results, executions } = await instance.run([{ inputs: copy, outputs: names, rows: 1 }]);
    const [result] = results;
    if (result === undefined || 'failure' in result) {
      throw new Error(result?.failure ?? 'no result');
    }
    outputs = result.outputs;
    if (run >= 0) {
      times.push((executions[0]?.runSeconds ?? 0) * 1000);
    }
  }
  return { outputs, times };
}

function differenceOf({ data }: Tensor, reference: Tensor | undefined): number {
  if (reference === undefined || reference.data.length !== data.length) {
    return Number.POSITIVE_INFINITY;
  }
  if (!(data instanceof Float32Array || data instanceof Float64Array)) {
    return data.every((value: unknown, index: number) => value === reference.data[index])
      ? 0
      : Number.POSITIVE_INFINITY;
  }
  const expected = Array.from(reference.data, Number);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const gaps = Array.from(data, (value, index) =>
    Object.is(value, expected[index]) ? 0 : Math.abs(value - (expected[index] ?? 0)),
  );
  return gaps.some(Number.isNaN)
    ? Number.POSITIVE_INFINITY
    : gaps.reduce((most, gap) => Math.max(most, gap / largest), 0);
}

function quantile(times: readonly number[], share: number): number {
  return [...times].sort((a, b) => a - b)[Math.floor(share * times.length)] ?? Number.NaN;
}
