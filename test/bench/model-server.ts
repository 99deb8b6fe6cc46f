// `npm run bench -- model-server`: what batching gains, what HTTP costs beside onnxruntime in a loop, and how health answers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { Pool } from 'undici';
import { Child } from '../../gateway/cli/run/child.ts';
import { seeded } from '../../model-server/training/random.ts';
import { scaleModel, wideModel } from '../model-server/fixtures/models.ts';
import { encodeModel } from '../model-server/fixtures/onnx.ts';
import { until } from '../support/until.ts';
import type { Pings } from './pinger.ts';

const CLIENTS = 32;
const WIDTH = 1024;
const JSON_LENGTH = 'inference-header-content-length';

/** Runs every part and answers the report. */
export async function benchModelServer(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-models-'));
  try {
    await writeRepository(folder);
    const server = new Child(['model-server', '--models', folder, '--port', '0', '--log-level', 'error']);
    try {
      const { url } = await server.listening;
      await until(async () => (await fetch(`${url}/v2/health/ready`)).ok, 'the models ready', 60_000);
      const pid = server.process.pid ?? 0;
      return [
        await benchBatching(url),
        await benchMixUps(url),
        await benchOverhead(url, pid, folder),
        await benchHealth(url, pid),
      ].join('\n');
    } finally {
      await server.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Throughput of a dense network with 32 clients, batched and not, on one thread; answers compared. */
async function benchBatching(url: string): Promise<string> {
  const rows = Array.from({ length: CLIENTS }, (_, client) => rowOf(client));
  const alone = await Promise.all(rows.map((row) => infer(url, 'dense-alone', row)));
  const together = await Promise.all(rows.map((row) => infer(url, 'dense-batched', row)));
  const difference = Math.max(...alone.map((answer, index) => relativeDifference(answer, together[index])));
  const perSecond = async (model: string) => {
    await load(url, model, CLIENTS, 500, (client) => rowOf(client));
    return load(url, model, CLIENTS, 3000, (client) => rowOf(client));
  };
  const without = await perSecond('dense-alone');
  const withBatches = await perSecond('dense-batched');
  const batch = await meanBatch(url, 'dense-batched');
  return (
    `batching, ${CLIENTS} clients: ${without.toFixed(0)} requests/s without, ${withBatches.toFixed(0)} with, ` +
    `${(withBatches / without).toFixed(2)} times (goal: 1.5); mean batch ${batch.toFixed(1)} rows, ` +
    `largest relative difference of an answer ${difference.toExponential(1)}`
  );
}

/** 100,000 answers, each to an input of its own, batched: none may be another's. */
async function benchMixUps(url: string): Promise<string> {
  const total = 100_000;
  const pool = new Pool(url, { connections: CLIENTS });
  let next = 0;
  let wrong = 0;
  const caller = async () => {
    while (next < total) {
      // Whole numbers up to 2^24 are exact in float32.
      const id = next++;
      const answer = await send(pool, 'triple', Float32Array.of(id, total - id));
      wrong += answer[0] === 3 * id && answer[1] === 3 * (total - id) ? 0 : 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, caller));
  await pool.close();
  const batch = await meanBatch(url, 'triple');
  return `mix-ups: ${wrong} of ${total} answers (goal: 0), mean batch ${batch.toFixed(1)} rows`;
}

/** One model of about 5 ms: CPU time a request through the server, beside onnxruntime in a loop. */
async function benchOverhead(url: string, pid: number, folder: string): Promise<string> {
  const count = 400;
  const session = await InferenceSession.create(join(folder, 'heavy/1/model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const data = rowOf(1);
  const run = () => session.run({ x: new Tensor('float32', data, [1, WIDTH]) });
  for (let turn = 0; turn < 40; turn++) await run();
  await load(url, 'heavy', 2, 40, rowOf);
  // Both in turns, so that whatever else this machine does meets both alike.
  const direct = { cpu: 0, wall: 0 };
  const served = { cpu: 0, wall: 0 };
  for (let turn = 0; turn < 4; turn++) {
    const before = process.cpuUsage();
    const start = performance.now();
    for (let each = 0; each < count / 4; each++) await run();
    const used = process.cpuUsage(before);
    direct.cpu += (used.user + used.system) / 1e6;
    direct.wall += (performance.now() - start) / 1000;
    const cpu = cpuSeconds(pid);
    const began = performance.now();
    await load(url, 'heavy', 2, count / 4, rowOf);
    served.cpu += cpuSeconds(pid) - cpu;
    served.wall += (performance.now() - began) / 1000;
  }
  await session.release();
  const ms = (seconds: number) => ((seconds / count) * 1000).toFixed(2);
  return (
    `overhead: ${ms(direct.cpu)} ms CPU a run in a loop, ${ms(served.cpu)} ms through the server: rate per core ` +
    `${((direct.cpu / served.cpu) * 100).toFixed(1)} % (goal: 85 %); by the clock ` +
    `${ms(direct.wall)} and ${ms(served.wall)} ms, ${((direct.wall / served.wall) * 100).toFixed(1)} %`
  );
}

/**
 * The longest answer of /v2/health/live while four requests of 16 MB each run at once. On a machine without a free core it
 * tells of the machine: beside it stands how long the server's main thread was ready and waited for one.
 */
async function benchHealth(url: string, pid: number): Promise<string> {
  const waitedBefore = waitedForCore(pid);
  const data = new Float32Array(4 * 1024 * 1024).fill(0.5);
  // A thread of its own: this one is busy with the senders' bodies.
  const pinger = new Worker(new URL('./pinger.js', import.meta.url), { workerData: url });
  const pool = new Pool(url, { connections: 4 });
  for (let turn = 0; turn < 5; turn++) {
    await Promise.all([1, 2, 3, 4].map(() => send(pool, 'wide', data, [1, data.length])));
  }
  await pool.close();
  pinger.postMessage('stop');
  const [{ longest, pings }] = (await once(pinger, 'message')) as [Pings];
  const waited = (waitedForCore(pid) - waitedBefore) * 1000;
  return (
    `health: longest of ${pings} answers beside 20 requests of 16 MB, four at a time, ${longest.toFixed(1)} ms (goal: 50); ` +
    `the server's main thread waited ${waited.toFixed(0)} ms for a core meanwhile`
  );
}

async function writeRepository(folder: string): Promise<void> {
  const dense = denseModel([WIDTH, 2048, 2048, 16], 7);
  const models: Readonly<Record<string, readonly [Buffer, string]>> = {
    'dense-alone': [dense, 'batching: false'],
    'dense-batched': [dense, 'batching: { max_rows: 32 }\n'],
    triple: [scaleModel(3), 'batching: { max_rows: 32 }\n'],
    heavy: [denseModel([WIDTH, 8192, 4096, 16], 8), 'batching: false'],
    wide: [wideModel, 'batching: false'],
  };
  for (const [name, [model, settings]] of Object.entries(models)) {
    await mkdir(join(folder, name, '1'), { recursive: true });
    writeFileSync(join(folder, name, '1/model.onnx'), model);
    writeFileSync(join(folder, name, 'model.yaml'), settings);
  }
}

/** Dense layers with ReLU between them: reading the weights is the cost of a single row, and is shared by a batch. */
function denseModel(widths: readonly number[], seed: number): Buffer {
  const random = seeded(seed);
  const layers = widths.slice(1).map((width, index) => {
    const inputs = widths[index] ?? 0;
    const data = Float32Array.from({ length: inputs * width }, () => (random() - 0.5) / Math.sqrt(inputs));
    return { name: `w${index}`, shape: [inputs, width], data };
  });
  return encodeModel({
    inputs: [{ name: 'x', type: 'FP32', shape: ['batch', widths[0] ?? 0] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['batch', widths.at(-1) ?? 0] }],
    nodes: layers.flatMap(({ name }, index) => {
      const isLast = index === layers.length - 1;
      const from = index === 0 ? 'x' : `h${index - 1}`;
      return [
        { op: 'MatMul', inputs: [from, name], outputs: [isLast ? 'y' : `s${index}`] },
        ...(isLast ? [] : [{ op: 'Relu', inputs: [`s${index}`], outputs: [`h${index}`] }]),
      ];
    }),
    constants: layers,
  });
}

function rowOf(client: number): Float32Array {
  return Float32Array.from({ length: WIDTH }, (_, index) => ((index * 37 + client * 61) % 101) / 101);
}

async function infer(url: string, model: string, data: Float32Array): Promise<Float32Array> {
  const pool = new Pool(url, { connections: 1 });
  const answer = await send(pool, model, data);
  await pool.close();
  return answer;
}

/** Requests a second at so many connections. */
async function load(
  url: string,
  model: string,
  clients: number,
  requests: number,
  rowFor: (client: number) => Float32Array,
): Promise<number> {
  const pool = new Pool(url, { connections: clients });
  const start = performance.now();
  let next = 0;
  const caller = async (_: unknown, client: number) => {
    while (next++ < requests) await send(pool, model, rowFor(client));
  };
  await Promise.all(Array.from({ length: clients }, caller));
  const seconds = (performance.now() - start) / 1000;
  await pool.close();
  return requests / seconds;
}

/** One inference with binary tensors both ways. */
async function send(
  pool: Pool,
  model: string,
  data: Float32Array,
  shape: readonly number[] = [1, data.length],
): Promise<Float32Array> {
  const bytes = Buffer.from(data.buffer);
  const input = { name: 'x', datatype: 'FP32', shape, parameters: { binary_data_size: bytes.length } };
  const outputs = [{ name: 'y', parameters: { binary_data: true } }];
  const json = Buffer.from(JSON.stringify({ inputs: [input], outputs }));
  const { statusCode, headers, body } = await pool.request({
    path: `/v2/models/${model}/infer`,
    method: 'POST',
    headers: { [JSON_LENGTH]: String(json.length) },
    body: Buffer.concat([json, bytes]),
  });
  const answer = Buffer.from(await body.arrayBuffer());
  assert.equal(statusCode, 200, answer.toString('utf8', 0, 300));
  return new Float32Array(new Uint8Array(answer.subarray(Number(headers[JSON_LENGTH]))).buffer);
}

async function meanBatch(url: string, model: string): Promise<number> {
  const stats = (await (await fetch(`${url}/v2/models/${model}/stats`)).json()) as {
    model_stats: [{ inference_count: number; execution_count: number }];
  };
  const [{ inference_count, execution_count }] = stats.model_stats;
  return inference_count / execution_count;
}

function relativeDifference(a: Float32Array, b: Float32Array | undefined): number {
  const largest = Math.max(...a.map(Math.abs));
  return Math.max(...a.map((value, index) => Math.abs(value - (b?.[index] ?? Number.NaN)) / largest));
}

/** User and system time so far, from /proc/PID/stat (proc(5), fields 14 and 15), at the usual 100 ticks a second. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Seconds that a process's main thread was ready to run and had no core, from /proc/PID/task/PID/schedstat. */
function waitedForCore(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e9;
}
