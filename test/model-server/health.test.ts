import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Child } from '../../gateway/cli/run/child.ts';
import type { Pings } from '../bench/pinger.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';
import { makeRoot, wideModel } from './fixtures/models.ts';
import { get, sendBytes } from './fixtures/server.ts';

// The promise is 50 ms. Other work on this machine may hold a process up for longer: five times is ours to prove, once.
const PROMISED_MS = 50;
const ATTEMPTS = 3;

test('health answers while four requests of 16 MB are read and run', async (t) => {
  const models = await makeRoot(t, { 'wide/1/model.onnx': wideModel });
  const server = new Child(['model-server', '--port', '0', '--models', models, '--log-level', 'error']);
  undo(t, () => server.stop());
  const { url } = await server.listening;
  await until(async () => (await get(`${url}/v2/health/ready`)).status === 200, 'ready');
  const longest: number[] = [];
  while (longest.length < ATTEMPTS && !longest.some((each) => each < 5 * PROMISED_MS))
    longest.push(await longestPing(url, t));
  assert.ok(Math.min(...longest) < 5 * PROMISED_MS, `${longest} ms`);
});

/** Milliseconds of the slowest health answer while four such requests are served. */
async function longestPing(url: string, t: TestContext): Promise<number> {
  const pinger = new Worker(new URL('../bench/pinger.js', import.meta.url), { workerData: url });
  const data = Buffer.from(new Float32Array(4 * 1024 * 1024).fill(0.5).buffer);
  const header = { 'inference-header-content-length': '0' };
  const runs = [1, 2, 3, 4].map(() => sendBytes(`${url}/v2/models/wide/infer`, data, header));
  for (const { status, text } of await Promise.all(runs)) {
    assert.equal(status, 200, text);
  }
  pinger.postMessage('stop');
  const [{ longest, pings }] = (await once(pinger, 'message')) as [Pings];
  t.diagnostic(`longest of ${pings} answers: ${longest.toFixed(1)} ms`);
  assert.ok(pings > 10);
  return longest;
}
