// The worker thread, and the only file that knows onnxruntime-node: its calls block the thread they are made on.
import './without-float16-array.ts'; // first: before the runtime looks for it
import { type MessagePort, parentPort } from 'node:worker_threads';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { messageOf } from '../errors.ts';
import type { Datatype } from '../protocol/names.ts';
import type { Provider } from '../protocol/provider-names.ts';
import type { TensorData } from '../protocol/tensor-bytes.ts';
import { joinInputs, splitOutputs } from './batch.ts';
import { openWithFirst } from './providers.ts';
import type { Port, Signature } from './signature.ts';
import { memoryOf, type Tensor } from './tensors.ts';

/** How a model is to be opened. */
export type Opening = {
  readonly path: string;
  readonly threads: number;
  readonly providers: readonly Provider[];
  readonly arena: boolean;
  /** Which GPU, by its number. */
  readonly device: number;
};

/** One request of a run; `rows` is 1 for a model without a batch axis. */
export type Part = { readonly inputs: readonly Tensor[]; readonly outputs: readonly string[]; readonly rows: number };

/** What the main thread may ask of the worker; orders are obeyed one after the other. */
export type Order =
  | { readonly kind: 'open'; readonly opening: Opening }
  | { readonly kind: 'run'; readonly parts: readonly Part[] }
  | { readonly kind: 'close' };

/** What a model turned out to be: `notes` are for the operator. */
export type OpenedModel = {
  readonly signature: Signature;
  readonly provider: Provider;
  readonly notes: readonly string[];
};

/** What came of one request. */
export type PartResult = { readonly outputs: readonly Tensor[] } | { readonly failure: string };

/** One call of the runtime: how many requests it carried, of how many rows in all, and where its time went, in seconds. */
export type Execution = {
  readonly succeeded: boolean;
  readonly requests: number;
  readonly rows: number;
  readonly joinSeconds: number;
  readonly runSeconds: number;
  readonly splitSeconds: number;
};

/** What came of an order to run: a result for each part, in order, and every call it took. */
export type RunReport = { readonly results: readonly PartResult[]; readonly executions: readonly Execution[] };

/** What the worker answers, one report for each order but `close`. */
export type Report =
  | ({ readonly kind: 'opened' } & OpenedModel)
  | ({ readonly kind: 'ran' } & RunReport)
  | { readonly kind: 'failed'; readonly message: string };

// Failures are answered and logged by us; the runtime would also paint each one on stderr.
const ONLY_FATAL = 4;
const DATATYPE_OF: Readonly<Partial<Record<OrtTensor.Type, Datatype>>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};
const TYPE_OF = new Map(Object.entries(DATATYPE_OF).map(([type, datatype]) => [datatype, type]));
let session: InferenceSession | undefined;

if (parentPort !== null) {
  serve(parentPort);
}

function serve(port: MessagePort): void {
  let last: Promise<void> = Promise.resolve();
  port.on('message', (order: Order) => {
    last = last.then(() => (order.kind === 'close' ? close(port) : obey(port, order)));
  });
}

async function obey(port: MessagePort, order: Exclude<Order, { kind: 'close' }>): Promise<void> {
  try {
    const report = await (order.kind === 'open' ? open(order.opening) : run(order.parts));
    port.postMessage(report, report.kind === 'ran' ? memoryOf(tensorsOf(report.results)) : []);
  } catch (error) {
    port.postMessage({ kind: 'failed', message: messageOf(error) } satisfies Report);
  }
}

// With the port closed nothing keeps the thread alive, and it ends by itself: terminate() would abort the process.
async function close(port: MessagePort): Promise<void> {
  await session?.release();
  port.close();
}

async function open(opening: Opening): Promise<Report> {
  const { provider, opened, refusals } = await openWithFirst(opening.providers, (candidate) =>
    InferenceSession.create(opening.path, optionsOf(candidate, opening)),
  );
  session = opened;
  const outputs = opened.outputMetadata.filter((value) => value.isTensor);
  const hidden = opened.outputMetadata.filter((value) => !value.isTensor).map((value) => value.name);
  const notes = [
    ...hidden.map((name) => `output "${name}" is not a tensor and is not served`),
    ...refusals.map((refusal) => `fell back to ${provider}, for ${refusal}`),
  ];
  const signature = { inputs: opened.inputMetadata.map(toPort), outputs: outputs.map(toPort) };
  return { kind: 'opened', signature, provider, notes };
}

function optionsOf(provider: Provider, { threads, arena, device }: Opening): InferenceSession.SessionOptions {
  return {
    // The runtime adds the CPU by itself for what a provider cannot run.
    executionProviders: [
      provider === 'cuda' || provider === 'tensorrt' ? { name: provider, deviceId: device } : provider,
    ],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableCpuMemArena: arena,
    logSeverityLevel: ONLY_FATAL,
  };
}

async function run(parts: readonly Part[]): Promise<Report> {
  const executions: Execution[] = [];
  const results = await runTogether(parts, executions);
  return { kind: 'ran', results, executions };
}

/** Runs requests as one batch. If that fails, halves it: whoever poisons it ends up alone, and the others are answered. */
async function runTogether(parts: readonly Part[], executions: Execution[]): Promise<readonly PartResult[]> {
  const start = performance.now();
  try {
    return await runOnce(parts, executions);
  } catch (error) {
    const runSeconds = secondsSince(start);
    executions.push({ ...sizeOf(parts), succeeded: false, joinSeconds: 0, runSeconds, splitSeconds: 0 });
    if (parts.length === 1) {
      return [{ failure: messageOf(error) }];
    }
    const middle = Math.ceil(parts.length / 2);
    const first = await runTogether(parts.slice(0, middle), executions);
    return [...first, ...(await runTogether(parts.slice(middle), executions))];
  }
}

async function runOnce(parts: readonly Part[], executions: Execution[]): Promise<readonly PartResult[]> {
  const isAlone = parts.length === 1;
  const start = performance.now();
  const inputs = isAlone ? (parts[0]?.inputs ?? []) : joinInputs(parts.map((part) => part.inputs));
  const joinSeconds = secondsSince(start);
  const joined = performance.now();
  const outputs = await runSession(inputs, [...new Set(parts.flatMap((part) => part.outputs))]);
  const runSeconds = secondsSince(joined);
  const ran = performance.now();
  const each = isAlone
    ? [outputs]
    : splitOutputs(
        outputs,
        parts.map(({ rows }) => rows),
      );
  const results = parts.map((part, index) => ({ outputs: inOrder(part.outputs, each[index] ?? []) }));
  executions.push({ ...sizeOf(parts), succeeded: true, joinSeconds, runSeconds, splitSeconds: secondsSince(ran) });
  return results;
}

function sizeOf(parts: readonly Part[]): Pick<Execution, 'requests' | 'rows'> {
  return { requests: parts.length, rows: parts.reduce((sum, { rows }) => sum + rows, 0) };
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}

async function runSession(inputs: readonly Tensor[], outputs: readonly string[]): Promise<readonly Tensor[]> {
  if (session === undefined) {
    throw new Error('no model is open');
  }
  // A null prototype: an input may be called __proto__.
  const feeds: Record<string, OrtTensor> = Object.create(null);
  for (const { name, datatype, data, shape } of inputs) {
    feeds[name] = toOrtTensor(datatype, data, shape);
  }
  const results = await session.run(feeds, outputs, { logSeverityLevel: ONLY_FATAL });
  return outputs.map((name) => toTensor(name, results[name]));
}

function inOrder(names: readonly string[], outputs: readonly Tensor[]): readonly Tensor[] {
  return names.flatMap((name) => outputs.find((output) => output.name === name) ?? []);
}

function toOrtTensor(datatype: Datatype, data: TensorData, shape: readonly number[]): OrtTensor {
  const type = TYPE_OF.get(datatype);
  if (type === undefined) {
    throw new Error(`the runtime has no ${datatype}`);
  }
  return new OrtTensor(type as OrtTensor.Type, data as OrtTensor['data'], shape);
}

function toTensor(name: string, result: OrtTensor | undefined): Tensor {
  const datatype = result && DATATYPE_OF[result.type];
  if (result === undefined || datatype === undefined) {
    throw new Error(`output "${name}" is not a tensor this server can answer`);
  }
  return {
    name,
    datatype,
    shape: result.dims,
    data: result.data as TensorData,
  };
}

function toPort(value: InferenceSession.ValueMetadata): Port {
  const datatype = value.isTensor ? DATATYPE_OF[value.type] : undefined;
  if (!value.isTensor || datatype === undefined) {
    throw new Error(`"${value.name}" is ${value.isTensor ? value.type : 'not a tensor'}: this server cannot serve it`);
  }
  return { name: value.name, datatype, shape: value.shape };
}

function tensorsOf(results: readonly PartResult[]): readonly Tensor[] {
  return results.flatMap((result) => ('outputs' in result ? result.outputs : []));
}
