// What callers are promised of forwarding, with processes that freeze, thaw and end.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { Child } from '../../gateway/cli/run/child.ts';
import { policyOf } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { openLoop } from '../support/open-loop.ts';
import { scriptServer } from '../support/script-server.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const DIGIT = readFileSync('config/data/digits.json', 'utf8');
const TIMEOUT_MS = 500;
const CAP = 32;

/** A server of somebody else's that counts what it is sent; it knows nothing of our deadlines. */
const FOREIGN = `
let count = 0;
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/count') return response.end(String(count));
  if (request.method === 'POST') count++;
  request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
});
`;

/** Sends so many posts at once, each on a connection of its own; tells what each got and how long it waited. */
async function burst(url: string, path: string, body: string, count: number, open?: Agent) {
  const agent = open ?? new Agent({ connections: count, pipelining: 1 });
  const one = async () => {
    const start = performance.now();
    const response = await request(`${url}${path}`, { method: 'POST', body, dispatcher: agent });
    await response.body.dump();
    return { status: response.statusCode, waitedMs: performance.now() - start };
  };
  const all = await Promise.all(Array.from({ length: count }, one));
  if (open === undefined) await agent.close();
  return all;
}

test('P5: a frozen server and 400 posts at once: nobody waits past the deadline, and no more than the cap reach it after the thaw', async (t) => {
  const foreign = await scriptServer(t, FOREIGN);
  const policy = policyOf([foreign.url], `timeout: ${TIMEOUT_MS}ms`).replace(
    /(s0: \{ url: "[^"]+")/,
    `$1, max_in_flight: ${CAP}`,
  );
  const { url } = await gatewayProcess(t, policy);
  const seen = async () => Number(await (await fetch(`${foreign.url}/count`)).text());
  // Connections first: opening 400 takes longer than the deadline on a busy machine, and then they do not come at once.
  const agent = new Agent({ connections: 400, pipelining: 1 });
  undo(t, () => agent.destroy());
  const warm = await burst(url, '/v2/models/m/infer', '{}', 400, agent);
  assert.ok(warm.every(({ status }) => status === 200 || status === 429));
  const before = await seen();
  foreign.kill('SIGSTOP');
  const answers = await burst(url, '/v2/models/m/infer', '{}', 400, agent);
  foreign.kill('SIGCONT');
  const worst = Math.max(...answers.map(({ waitedMs }) => waitedMs));
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  t.diagnostic(`${JSON.stringify(counts)}, the longest waited ${Math.round(worst)} ms of ${TIMEOUT_MS}`);
  assert.deepEqual(Object.keys(counts).sort(), ['429', '504']);
  assert.ok(worst < 5 * TIMEOUT_MS, `${worst} ms`);
  await sleep(500);
  const reached = (await seen()) - before;
  t.diagnostic(`${reached} of 400 reached the server after the thaw; the cap is ${CAP}`);
  assert.ok(reached <= CAP, `${reached}`);
});

test('P5: our own model server, thawed, runs none of what had to be answered meanwhile', async (t) => {
  const child = new Child(['model-server', '--models', 'config/models', '--port', '0', '--log-level', 'silent']);
  undo(t, () => child.signal('SIGKILL'));
  const { url: server } = await child.listening;
  await until(async () => (await fetch(`${server}/v2/health/ready`)).ok, 'the models are loaded', 60_000);
  const policy = policyOf([server], `timeout: ${TIMEOUT_MS}ms`)
    .replace(/\bm:/, 'digits:')
    .replace('servers: [s0] }', 'servers: [s0], version: "1" }');
  const { url } = await gatewayProcess(t, policy);
  const path = '/v2/models/digits/infer';
  assert.deepEqual([...new Set((await burst(url, path, DIGIT, 4)).map(({ status }) => status))], [200]);
  const runs = async () => {
    const stats = (await (await fetch(`${server}/v2/models/digits/versions/1/stats`)).json()) as {
      model_stats: { inference_count: number }[];
    };
    return stats.model_stats[0]?.inference_count;
  };
  const before = await runs();
  child.signal('SIGSTOP');
  const answers = await burst(url, path, DIGIT, 400);
  assert.ok(answers.every(({ status }) => status === 504 || status === 429));
  child.signal('SIGCONT');
  await sleep(1000);
  assert.equal(await runs(), before, 'not one of them was run');
  const after = await burst(url, path, DIGIT, 1);
  assert.ok(after.every(({ status }) => status === 200 || status === 504));
  await until(async () => (await burst(url, path, DIGIT, 1))[0]?.status === 200, 'it answers again');
});

test('P2: SIGTERM under load loses nothing in flight and refuses nothing during the grace', async (t) => {
  const foreign = await scriptServer(t, FOREIGN);
  const { url, adminUrl, child } = await gatewayProcess(t, policyOf([foreign.url]), ['--drain-grace', '2s']);
  const agent = new Agent({ connections: 20, pipelining: 1 });
  let stopped = Number.POSITIVE_INFINITY;
  const load = openLoop({
    perSecond: 200,
    forMs: 2500,
    send: async () => {
      const startedAt = performance.now();
      const response = await request(`${url}/v2/models/m/infer`, { method: 'POST', body: '{}', dispatcher: agent });
      await response.body.dump();
      return { status: response.statusCode, startedAt, says: response.headers.connection };
    },
  });
  await sleep(800);
  stopped = performance.now();
  child.signal('SIGTERM');
  await sleep(300);
  assert.equal((await fetch(`${adminUrl}/readyz`)).status, 503, 'readiness is off while it still serves');
  const { sent } = await load;
  await agent.close();
  const bad = sent.filter(({ result }) => !result.ok || result.value.status !== 200);
  const late = sent.filter(({ result }) => result.ok && result.value.startedAt > stopped + 200);
  t.diagnostic(`${sent.length} requests, ${late.length} of them in the grace, ${bad.length} not answered with 200`);
  assert.deepEqual(bad, []);
  assert.ok(late.length > 100);
  assert.ok(
    late.every(({ result }) => result.ok && result.value.says === 'close'),
    'callers are told to go',
  );
  assert.equal(await child.exited, 0);
});
