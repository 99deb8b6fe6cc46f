// The thread that reads large JSON bodies into tensors.
import { parentPort } from 'node:worker_threads';
import { type Ending, toRequestError } from '../errors.ts';
import { memoryOf } from '../run/tensors.ts';
import { type Call, type Reading, readCall } from './read-call.ts';

/** What came of a body. */
export type ReadReport =
  | { readonly id: number; readonly call: Call }
  | { readonly id: number; readonly ending: Ending; readonly message: string };

parentPort?.on('message', ({ id, reading }: { readonly id: number; readonly reading: Reading }) => {
  try {
    // Sent from thread to thread, a Buffer arrives as a plain array of bytes.
    const { buffer, byteOffset, length } = reading.body as Uint8Array<ArrayBuffer>;
    const call = readCall({ ...reading, body: Buffer.from(buffer, byteOffset, length) });
    parentPort?.postMessage({ id, call } satisfies ReadReport, memoryOf(call.inputs));
  } catch (error) {
    const { ending, message } = toRequestError(error, 0);
    parentPort?.postMessage({ id, ending, message } satisfies ReadReport);
  }
});
