// What a decision costs with few and with many models in the policy, and what loading a large policy costs the traffic
// beside it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decide } from '../../gateway/decide/decide.ts';
import type { Facts } from '../../gateway/flow.ts';
import { parsePolicy } from '../../gateway/policy/load.ts';
import { PolicyLoader } from '../../gateway/policy/loader.ts';

const ROUNDS = 9;
const DECISIONS = 200_000;

/** A line for each figure. */
export async function benchDecisions(): Promise<string> {
  const costs = { few: [] as number[], many: [] as number[] };
  // A clone is what a gateway has: the loading thread hands the policy over.
  const [fewModels, manyModels] = [10, 10_000].map((count) =>
    structuredClone(parsePolicy(policyWith(count, true), 'bench').models),
  );
  if (fewModels === undefined || manyModels === undefined) throw new Error('no policy');
  for (let round = 0; round < ROUNDS; round++) {
    costs.few.push(costOf(fewModels, 10));
    costs.many.push(costOf(manyModels, 10_000));
  }
  const [a, b] = [median(costs.few), median(costs.many)];
  const large = policyWith(10_000, false);
  const { loadMs, worstGapMs, quietGapMs } = await loadBeside(large);
  return [
    `a decision with 10 models: ${a.toFixed(2)} us; with 10,000: ${b.toFixed(2)} us; ratio ${(b / a).toFixed(2)}`,
    `a policy of ${(large.length / 1024 ** 2).toFixed(2)} MiB loads in ${loadMs.toFixed(0)} ms in its thread;`,
    `  the longest pause of the serving thread meanwhile: ${worstGapMs.toFixed(1)} ms (${quietGapMs.toFixed(1)} ms without a load)`,
  ].join('\n');
}

/** Microseconds a decision, look-up of the model included, requests spread over all models. */
function costOf(models: ReturnType<typeof parsePolicy>['models'], count: number): number {
  const requests = Array.from({ length: 10_000 }, (_, i) => factsFor(`m${i % count}`, `user-${i}`));
  const start = process.cpuUsage();
  for (let i = 0; i < DECISIONS; i++) {
    const facts = requests[i % requests.length];
    const model = facts && models.get(facts.model);
    if (facts === undefined || model === undefined) throw new Error('no such model');
    decide(model, facts, 0.5);
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / DECISIONS;
}

function factsFor(model: string, user: string): Facts {
  return {
    id: 'r',
    model,
    call: 'infer',
    pin: undefined,
    headers: { 'x-u': user },
    rawHeaders: [],
    body: Buffer.alloc(0),
  };
}

/** Models that each have a rollout, or are just there. */
function policyWith(models: number, rollouts: boolean): string {
  const lines = Array.from({ length: models }, (_, i) => {
    const rollout = rollouts ? `, rollout: {id: r${i}, candidate: b, unit: header x-u, steps: [10%]}` : '';
    return ` m${i}: {timeout: 1s, versions: {a: {servers: [s]}, b: {servers: [s]}}, baseline: a${rollout}}`;
  });
  return `apiVersion: sluice/v1\nfleet: {s: {url: "http://127.0.0.1:9"}}\nmodels:\n${lines.join('\n')}\n`;
}

/** Loads a policy as the gateway does, while this thread notes its longest pause. */
async function loadBeside(text: string): Promise<{ loadMs: number; worstGapMs: number; quietGapMs: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const file = join(folder, 'policy.yaml');
  const loader = new PolicyLoader();
  writeFileSync(file, policyWith(1, false));
  await loader.load(file); // the thread is there before, as in a running gateway
  writeFileSync(file, text);
  const quietGapMs = await longestPause(sleep(1000));
  const start = performance.now();
  let loadMs = 0;
  const worstGapMs = await longestPause(
    loader.load(file).then(() => {
      loadMs = performance.now() - start;
    }),
  );
  loader.close();
  rmSync(folder, { recursive: true });
  return { loadMs, worstGapMs, quietGapMs };
}

async function longestPause(work: Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const tick = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  }, 1);
  await work;
  clearInterval(tick);
  return Math.max(longest, performance.now() - last - 1);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
