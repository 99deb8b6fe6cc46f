// A worker thread that asks for /v2/health/live again and again until it is told to stop, and then tells the longest answer.
import { parentPort, workerData } from 'node:worker_threads';
import { Pool } from 'undici';

/** What it tells: the longest answer in milliseconds, and how many there were. */
export type Pings = { readonly longest: number; readonly pings: number };

const pool = new Pool(workerData as string, { connections: 1 });
let isOver = false;
let longest = 0;
let pings = 0;
parentPort?.once('message', () => {
  isOver = true;
});
while (!isOver) {
  const start = performance.now();
  const { body } = await pool.request({ path: '/v2/health/live', method: 'GET' });
  await body.dump();
  longest = Math.max(longest, performance.now() - start);
  pings++;
}
await pool.close();
parentPort?.postMessage({ longest, pings } satisfies Pings);
