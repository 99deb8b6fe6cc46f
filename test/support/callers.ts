// Traffic to a gateway whose model `m` a bench backend answers, as stories and soaks send it.
import type { TestContext } from 'node:test';
import { Pool } from 'undici';
import { Backend } from '../bench/backend-process.ts';
import { openLoop } from './open-loop.ts';
import { undo } from './undo.ts';

/** A model server in a process of its own; it ends with the test. */
export async function backend(t: TestContext): Promise<Backend> {
  const started = await Backend.start();
  undo(t, () => started.stop());
  return started;
}

export type Calls = { readonly body: string | Buffer; readonly perSecond: number; readonly forMs: number };

/** Calls `m` in an open loop; anything but a 200 is a failure. `latency` tells a quantile in milliseconds. */
export async function callers(url: string, { body, perSecond, forMs }: Calls) {
  const pool = new Pool(url, { connections: 64 });
  const { sent, latency } = await openLoop({
    perSecond,
    forMs,
    send: async () => {
      const { statusCode, body: answer } = await pool.request({ path: '/v2/models/m/infer', method: 'POST', body });
      await answer.dump();
      if (statusCode !== 200) throw new Error(`status ${statusCode}`);
    },
  });
  await pool.close();
  return { latency, failures: sent.flatMap(({ result }) => (result.ok ? [] : [String(result.error)])) };
}
