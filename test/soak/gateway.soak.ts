// Row I14, shortened: traffic at 200 a second with a new policy every minute. Memory, file descriptors and connections stay.
// SOAK_MINUTES changes the 20 minutes.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Backend } from '../bench/backend-process.ts';
import { infer } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { openLoop } from '../support/open-loop.ts';
import { undo } from '../support/undo.ts';

const MINUTES = Number(process.env.SOAK_MINUTES ?? 20);
/** Until then code is compiled and heaps grow to their size. */
const WARM_UP_MINUTES = Math.max(1, Math.floor(MINUTES / 4));

test(`${MINUTES} minutes of traffic and reloads leave memory and descriptors as they are`, {
  timeout: (MINUTES + 5) * 60_000,
}, async (t) => {
  const backend = await Backend.start();
  undo(t, () => backend.stop());
  const policy = (share: number) => `apiVersion: sluice/v1
fleet: { s: { url: "${backend.urls.url}" }, m: { url: "${backend.urls.mirrorUrl}" } }
models:
  m:
    timeout: 2s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" }, v3: { servers: [m] } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: random, steps: [${share}%] }
    shadow: [{ version: v3, sample: 20% }]
`;
  const { url, adminUrl, child, memory } = await gatewayProcess(t, policy(10));
  const { policy: inForce } = (await (await fetch(`${adminUrl}/api/status`)).json()) as { policy: { file: string } };
  const sizes: number[] = [];
  const descriptors: number[] = [];
  for (let minute = 0; minute < MINUTES; minute++) {
    writeFileSync(inForce.file, policy(10 + (minute % 5)));
    const { sent } = await openLoop({
      perSecond: 200,
      forMs: 60_000,
      send: async () => {
        const response = await infer(url);
        await response.arrayBuffer();
        if (response.status !== 200) throw new Error(`status ${response.status}`);
      },
    });
    const failures = sent.flatMap(({ result }) => (result.ok ? [] : [String(result.error)]));
    assert.deepEqual(failures, []);
    sizes.push(memory().now);
    descriptors.push(readdirSync(`/proc/${child.process.pid}/fd`).length);
    t.diagnostic(`minute ${minute + 1}: ${sizes.at(-1)?.toFixed(1)} MiB, ${descriptors.at(-1)} descriptors`);
  }
  const [warm, last] = [sizes.slice(WARM_UP_MINUTES), sizes.at(-1) ?? 0];
  assert.ok(last <= Math.min(...warm) * 1.1 + 8, `${warm.map((size) => size.toFixed(0))} MiB`);
  assert.ok((descriptors.at(-1) ?? 0) <= (descriptors[WARM_UP_MINUTES - 1] ?? 0) + 20, `${descriptors}`);
  assert.ok(readFileSync(`/proc/${child.process.pid}/status`, 'utf8').length > 0);
});
