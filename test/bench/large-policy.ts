// What loading the largest policy that is accepted costs the traffic beside it.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { Child } from '../../gateway/cli/run/child.ts';
import { lastGoodFile } from '../../gateway/policy/load/last-good.ts';
import { openLoop } from '../support/open-loop.ts';
import { Backend } from './backend-process.ts';
import { INFER } from './load.ts';
import { median } from './statistics.ts';
import { ownFolder } from './targets/target.ts';

const LARGEST = 1024 * 1024;
const LOADS = 3;
const PER_SECOND = 200;
const QUIET_MS = 5000;
const LONGEST_LOAD_MS = 30_000;

/** Lines: the time to load, and the latency of requests without and beside loads. */
export async function benchLargePolicy(): Promise<string[]> {
  const backend = await Backend.start();
  const { folder, remove } = ownFolder('large-policy');
  const file = join(folder, 'policy.yaml');
  const data = join(folder, 'data');
  const text = largestPolicy(backend.urls.url);
  writeFileSync(file, text);
  const child = new Child(['gateway', '--policy', file, '--data', data, ...PORTS, '--log-level', 'warn'], {
    output: 'inherit',
  });
  try {
    const { url } = await child.listening;
    await latencies(url, async () => void (await sleep(1000))); // connections open, code compiled
    const quiet = await latencies(url, async () => void (await sleep(QUIET_MS)));
    const busy = await latencies(url, async () => {
      const process = spawn('nice', ['-n', '19', 'node', '-e', 'for (;;);'], { stdio: 'ignore' });
      await sleep(QUIET_MS);
      process.kill('SIGKILL');
    });
    const loads: number[] = [];
    const beside = await latencies(url, async () => {
      for (let i = 1; i <= LOADS; i++) loads.push(await loadTime(file, `${text}# ${i}\n`, data));
    });
    const size = `${(text.length / 1024 ** 2).toFixed(2)} MiB with ${text.match(/^ m/gm)?.length} models`;
    return [
      `a policy of ${size} is in force ${(median(loads) / 1000).toFixed(1)} s after it was written (median of ${LOADS})`,
      `  requests at ${PER_SECOND}/s without a load: ${quiet}`,
      `  beside a process of the lowest priority that has nothing to do with it: ${busy}`,
      `  beside the loads: ${beside}`,
    ];
  } finally {
    await child.stop();
    backend.stop();
    remove();
  }
}

const PORTS = ['--port', '0', '--admin-port', '0', '--drain-grace', '0ms'];

/** `p50 x ms, p99 y ms` of requests that are sent for as long as `work` takes. */
async function latencies(url: string, work: () => Promise<void>): Promise<string> {
  const pool = new Pool(url, { connections: 32 });
  const all: number[] = [];
  let isDone = false;
  const worked = work().finally(() => {
    isDone = true;
  });
  while (!isDone) {
    const { sent } = await openLoop({ perSecond: PER_SECOND, forMs: 250, send: () => ask(pool) });
    for (const { result, latencyMs } of sent) {
      if (!result.ok) throw result.error;
      all.push(latencyMs);
    }
  }
  await worked;
  await pool.close();
  all.sort((a, b) => a - b);
  const quantile = (q: number) => (all[Math.floor(q * all.length)] ?? Number.NaN).toFixed(1);
  return `p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms, worst ${all.at(-1)?.toFixed(1)} ms`;
}

async function ask(pool: Pool): Promise<void> {
  const headers = { 'content-type': 'application/json', 'x-u': 'user-1' };
  const { statusCode, body } = await pool.request({ path: INFER.path, method: 'POST', headers, body: INFER.body });
  await body.dump();
  if (statusCode !== 200) throw new Error(`status ${statusCode}`);
}

/** Milliseconds from the change of the file until it is in force: then it is kept as the last good one. */
async function loadTime(file: string, text: string, folder: string): Promise<number> {
  const kept = lastGoodFile(folder, file);
  const start = performance.now();
  writeFileSync(file, text);
  while (readFileSync(kept, 'utf8') !== text) {
    if (performance.now() - start > LONGEST_LOAD_MS) throw new Error(`not in force after ${LONGEST_LOAD_MS} ms`);
    await sleep(50);
  }
  return performance.now() - start;
}

/** The model of the bench, and as many others as a file may hold. */
function largestPolicy(url: string): string {
  const head = `apiVersion: sluice/v1\nfleet: {s: {url: "${url}"}}\nmodels:\n digits: {timeout: 5s, versions: {a: {servers: [s]}}, baseline: a}\n`;
  const lines: string[] = [];
  let length = head.length + 16; // room for the comment that makes it another file
  for (let i = 0; ; i++) {
    const line = ` m${i}: {timeout: 1s, versions: {a: {servers: [s]}}, baseline: a}\n`;
    length += line.length;
    if (length > LARGEST) return head + lines.join('');
    lines.push(line);
  }
}
