// The thread that compares: specs and parcels in, batches out, one answer to each parcel.
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { compareBatch } from './batch.ts';
import type { ToWorker } from './comparer.ts';
import { unpack } from './parcel.ts';
import type { CompareSpec } from './spec.ts';

// On Linux a priority is the thread's that asks for it: requests that want the same core go first.
setPriority(19);

let specs: ReadonlyMap<string, CompareSpec> = new Map();

parentPort?.on('message', (message: ToWorker) => {
  if (message.kind === 'specs') {
    specs = message.specs;
    return;
  }
  const batch = compareBatch(unpack(message.parcel), specs);
  parentPort?.postMessage(batch, [batch.records.bytes.buffer]);
});
