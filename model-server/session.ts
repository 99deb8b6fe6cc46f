// The worker thread, and the only file that knows onnxruntime-node: its calls block the thread they are made on.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { messageOf } from './errors.ts';
import { DATATYPES, type Datatype } from './protocol.ts';
import type { Port, Signature } from './signature.ts';
import { countOf, type Tensor, type TensorData } from './tensors.ts';

/** What the main thread may ask of the worker; they are answered one after the other, in order. */
export type Order =
  | { readonly kind: 'load'; readonly id: number; readonly path: string; readonly threads: number }
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly session: number;
      readonly inputs: readonly Tensor[];
      readonly outputs: readonly string[];
    }
  | { readonly kind: 'close' };

/** What the worker answers; `session` of a later run is the id of the load. */
export type Report =
  | { readonly kind: 'loaded'; readonly id: number; readonly signature: Signature; readonly notes: readonly string[] }
  | { readonly kind: 'ran'; readonly id: number; readonly outputs: readonly Tensor[]; readonly seconds: number }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

type Loaded = { readonly session: InferenceSession; readonly signature: Signature };

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
const sessions = new Map<number, Loaded>();

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
    const report = await (order.kind === 'load' ? load(order) : run(order));
    port.postMessage(report, report.kind === 'ran' ? buffersOf(report.outputs) : []);
  } catch (error) {
    port.postMessage({ kind: 'failed', id: order.id, message: messageOf(error) } satisfies Report);
  }
}

// With the port closed nothing keeps the thread alive, and it ends by itself: terminate() would abort the process.
async function close(port: MessagePort): Promise<void> {
  await Promise.all([...sessions.values()].map(({ session }) => session.release()));
  port.close();
}

async function load({ id, path, threads }: Extract<Order, { kind: 'load' }>): Promise<Report> {
  const session = await InferenceSession.create(path, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: ONLY_FATAL,
  });
  const outputs = session.outputMetadata.filter((value) => value.isTensor);
  const hidden = session.outputMetadata.filter((value) => !value.isTensor).map((value) => value.name);
  const signature = { inputs: session.inputMetadata.map(toPort), outputs: outputs.map(toPort) };
  const loaded = { session, signature };
  const notes = hidden.map((name) => `output "${name}" is not a tensor and is not served`);
  sessions.set(id, loaded);
  return { kind: 'loaded', id, signature, notes: [...notes, ...(await warmUp(loaded))] };
}

async function warmUp(loaded: Loaded): Promise<readonly string[]> {
  const { inputs, outputs } = loaded.signature;
  try {
    const feeds = inputs.map(({ name, datatype, shape }) => {
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
      return { name, datatype, shape: dims, data: zeros(datatype, countOf(dims)) };
    });
    await runOnce(
      loaded,
      feeds,
      outputs.map((port) => port.name),
    );
    return [];
  } catch (error) {
    return [`warm-up with zeros failed: ${messageOf(error)}`];
  }
}

async function run(order: Extract<Order, { kind: 'run' }>): Promise<Report> {
  const loaded = sessions.get(order.session);
  if (loaded === undefined) {
    throw new Error(`no session ${order.session}`);
  }
  const start = performance.now();
  const results = await runOnce(loaded, order.inputs, order.outputs);
  const seconds = (performance.now() - start) / 1000;
  return { kind: 'ran', id: order.id, outputs: order.outputs.map((name) => toTensor(name, results[name])), seconds };
}

function runOnce({ session }: Loaded, inputs: readonly Tensor[], outputs: readonly string[]) {
  // A null prototype: an input may be called __proto__.
  const feeds: Record<string, OrtTensor> = Object.create(null);
  for (const { name, datatype, data, shape } of inputs) {
    feeds[name] = toOrtTensor(datatype, data, shape);
  }
  return session.run(feeds, outputs, { logSeverityLevel: ONLY_FATAL });
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
  return { name, datatype, shape: result.dims, data: result.data as TensorData };
}

function toPort(value: InferenceSession.ValueMetadata): Port {
  const datatype = value.isTensor ? DATATYPE_OF[value.type] : undefined;
  if (!value.isTensor || datatype === undefined) {
    throw new Error(`"${value.name}" is ${value.isTensor ? value.type : 'not a tensor'}: this server cannot serve it`);
  }
  return { name: value.name, datatype, shape: value.shape };
}

function zeros(datatype: Datatype, count: number): TensorData {
  return datatype === 'BYTES' ? new Array<string>(count).fill('') : new DATATYPES[datatype].array(count);
}

function buffersOf(tensors: readonly Tensor[]): ArrayBuffer[] {
  return tensors.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer]));
}
