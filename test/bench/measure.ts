import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Pool } from 'undici';
import type { Target } from './targets.ts';

export type Measurement = {
  readonly cpuMicros: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const BODY = JSON.stringify({
  inputs: [
    { name: 'image', shape: [1, 784], datatype: 'FP32', data: Array.from({ length: 784 }, (_, i) => (i * 37) % 256) },
  ],
});

/** Sends `requests` at 32 connections: CPU microseconds a request of the target's own processes, and throughput. */
export async function measure(target: Target, requests: number): Promise<Measurement> {
  await send(target.url, requests / 4, 32); // warm-up: connections open, code compiled
  const cpuBefore = cpuSeconds(target.pids);
  const start = performance.now();
  await send(target.url, requests, 32);
  const seconds = (performance.now() - start) / 1000;
  const cpuMicros = ((cpuSeconds(target.pids) - cpuBefore) * 1e6) / requests;
  const alone = (await send(target.url, requests / 10, 1)).sort((a, b) => a - b);
  const quantile = (q: number) => alone[Math.floor(q * alone.length)] ?? 0;
  return { cpuMicros, perSecond: requests / seconds, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

/** Latencies in ms of `requests` calls, `connections` at a time, each from another user. */
async function send(url: string, requests: number, connections: number): Promise<number[]> {
  const pool = new Pool(url, { connections });
  const latencies: number[] = [];
  let next = 0;
  const caller = async () => {
    while (next < requests) {
      const headers = { 'content-type': 'application/json', 'x-user-id': `user-${next++}` };
      const start = performance.now();
      const { statusCode, body } = await pool.request({
        path: '/v2/models/digits/infer',
        method: 'POST',
        headers,
        body: BODY,
      });
      await body.dump();
      if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`);
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: connections }, caller));
  await pool.close();
  return latencies;
}

/** User and system time so far, from /proc/PID/stat (proc(5), fields 14 and 15). */
function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / TICKS_PER_SECOND;
}
