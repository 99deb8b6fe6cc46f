// The demo's callers: many users, a few calls each, real digits, through the gateway's front door.
import { Pool } from 'undici';
import type { Digit } from '../../../model-server/samples/digits.ts';

/** What one call came to. */
export type CallResult = {
  readonly user: string;
  /** From `x-sluice-version`; undefined when the gateway chose none. */
  readonly version: string | undefined;
  readonly status: number;
  readonly isCorrect: boolean;
  readonly latencyMs: number;
};

export type Traffic = {
  readonly url: string;
  readonly model: string;
  readonly digits: readonly Digit[];
  readonly requests: number;
  readonly users: number;
  readonly concurrency: number;
  /** The first request's number, which users and digits are counted from; 0 when left out. */
  readonly from?: number;
  readonly onDone: (done: number) => void;
};

/** Sends `requests` calls, `concurrency` at a time, each user's calls spread over the whole run. */
export async function sendTraffic(traffic: Traffic): Promise<CallResult[]> {
  const pool = new Pool(traffic.url, { connections: traffic.concurrency });
  const bodies = traffic.digits.map(bodyOf);
  const results: CallResult[] = [];
  let next = traffic.from ?? 0;
  const end = next + traffic.requests;
  const caller = async () => {
    while (next < end) {
      const i = next++;
      const digit = traffic.digits[i % traffic.digits.length];
      const body = bodies[i % bodies.length];
      if (digit === undefined || body === undefined) throw new Error('no digits to send');
      results.push(await call(pool, traffic.model, `user-${i % traffic.users}`, body, digit.label));
      traffic.onDone(results.length);
    }
  };
  await Promise.all(Array.from({ length: traffic.concurrency }, caller));
  await pool.close();
  return results;
}

async function call(pool: Pool, model: string, user: string, body: string, label: number): Promise<CallResult> {
  const start = performance.now();
  const response = await pool.request({
    path: `/v2/models/${model}/infer`,
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-user-id': user },
    body,
  });
  const answer = (await response.body.json()) as { outputs?: { name: string; data: number[] }[] };
  const predicted = answer.outputs?.find(({ name }) => name === 'label')?.data[0];
  const version = response.headers['x-sluice-version'];
  return {
    user,
    version: typeof version === 'string' ? version : undefined,
    status: response.statusCode,
    isCorrect: predicted === label,
    latencyMs: performance.now() - start,
  };
}

/** An Open Inference Protocol v2 request for one digit. */
function bodyOf({ pixels }: Digit): string {
  return JSON.stringify({
    inputs: [{ name: 'image', shape: [1, pixels.length], datatype: 'FP32', data: [...pixels] }],
  });
}
