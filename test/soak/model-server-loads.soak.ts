// A version loaded and unloaded 50 times while another answers: no request of the other fails, and memory comes back.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../gateway/cli/run/child.ts';
import { makeRoot, scaleModel, weightyModel } from '../model-server/fixtures/models.ts';
import { get, post } from '../model-server/fixtures/server.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const CYCLES = 50;
// Each new thread gets one of glibc's arenas, which keep some of what was freed, and the heaps of V8 grow to their size: it
// takes this many cycles until all have been used. What grows after that is left behind.
const WARM_UP = 30;

test(`${CYCLES} loads and unloads under traffic fail nothing and leave no memory behind`, {
  timeout: 600_000,
}, async (t) => {
  const models = await makeRoot(t, {
    'other/1/model.onnx': scaleModel(3),
    'weighty/1/model.onnx': weightyModel(2048),
  });
  const args = ['--port', '0', '--models', models, '--model-control', 'explicit', '--log-level', 'error'];
  const server = new Child(['model-server', ...args]);
  undo(t, () => server.stop());
  const { url } = await server.listening;
  await until(async () => (await get(`${url}/v2/health/ready`)).status === 200, 'ready', 60_000);
  const row = { inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] };
  let isOver = false;
  let failed = 0;
  let answered = 0;
  const traffic = [1, 2].map(async () => {
    while (!isOver) {
      const answer = await post(`${url}/v2/models/other/infer`, row);
      answered++;
      failed += answer.status === 200 && JSON.parse(answer.text).outputs[0].data[0] === 3 ? 0 : 1;
    }
  });
  const sizes: number[] = [];
  for (let cycle = 0; cycle < WARM_UP + CYCLES; cycle++) {
    assert.equal((await post(`${url}/v2/repository/models/weighty/unload`, '')).status, 200);
    sizes.push(await settledMiB(server.process.pid ?? 0));
    assert.equal((await post(`${url}/v2/repository/models/weighty/load`, '')).status, 200);
    const big = { inputs: [{ name: 'x', shape: [1, 2048], datatype: 'FP32', data: new Array(2048).fill(1) }] };
    assert.equal((await post(`${url}/v2/models/weighty/infer`, big)).status, 200);
  }
  isOver = true;
  await Promise.all(traffic);
  const early = median(sizes.slice(WARM_UP, WARM_UP + 10));
  const late = median(sizes.slice(-10));
  t.diagnostic(
    `${answered} requests meanwhile, ${failed} failed; unloaded ${early.toFixed(0)} MiB early, ${late.toFixed(0)} MiB late`,
  );
  t.diagnostic(
    `every fifth cycle: ${sizes
      .filter((_, cycle) => cycle % 5 === 0)
      .map((size) => size.toFixed(0))
      .join(' ')} MiB`,
  );
  assert.equal(failed, 0);
  assert.ok(late <= 1.1 * early, `${early} MiB grew to ${late} MiB`);
});

/** The least resident memory in a moment after an unload: the allocator and the collector of the ended thread take some. */
async function settledMiB(pid: number): Promise<number> {
  const samples: number[] = [];
  for (let sample = 0; sample < 8; sample++) {
    samples.push(residentMiB(pid));
    await sleep(25);
  }
  return Math.min(...samples);
}

function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
