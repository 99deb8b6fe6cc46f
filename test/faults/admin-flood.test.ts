// Row E14 of the catalogue: whoever calls the admin listener a thousand times at once costs applications nothing.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gateway, policyOf } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { rawCaller } from '../support/raw-caller.ts';
import { until } from '../support/until.ts';

const MIB = 1024 * 1024;
const ALERT = {
  status: 'firing',
  labels: { alertname: 'x', model: 'none', version: 'v9', instance: '10.0.0.1:9090' },
  annotations: { summary: 'x'.repeat(200) },
  startsAt: new Date().toISOString(),
  fingerprint: 'abcdef',
};

/** How long the slowest of many small requests took while something else went on, in milliseconds. */
async function slowestBeside(url: string, work: () => Promise<unknown>): Promise<number> {
  let isOver = false;
  const took: number[] = [];
  const pings = (async () => {
    for (; !isOver; await sleep(2)) {
      const start = performance.now();
      assert.equal((await fetch(url)).status, 200);
      took.push(performance.now() - start);
    }
  })();
  await work();
  isOver = true;
  await pings;
  return Math.max(...took);
}

/** Asks as often at once from a process of its own, which is not the one that measures; returns the statuses. */
async function flood(url: string, times: number): Promise<number[]> {
  const script = `Promise.all(Array.from({ length: ${times} }, () => fetch('${url}').then(async (response) => {
    await response.arrayBuffer();
    return response.status === 429 && response.headers.get('retry-after') !== '1' ? 0 : response.status;
  }))).then((statuses) => console.log(JSON.stringify(statuses)));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script]);
  return JSON.parse(stdout) as number[];
}

test('E14: scrapes that come all at once hold up no request, and beyond what can wait they are 429', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { url, adminUrl } = await gatewayProcess(t, policyOf([server.url]));
  let statuses: number[] = [];
  const slowest = await slowestBeside(`${url}/v2/health/live`, async () => {
    statuses = await flood(`${adminUrl}/metrics`, 400);
  });
  t.diagnostic(
    `400 scrapes at once, ${statuses.filter((status) => status === 429).length} refused; the slowest request beside them took ${slowest.toFixed(0)} ms`,
  );
  assert.ok(statuses.every((status) => status === 200 || status === 429));
  assert.ok(statuses.filter((status) => status === 200).length >= 100);
  assert.ok(slowest < 250, `${slowest} ms`);
  const again = await fetch(`${adminUrl}/metrics`);
  assert.equal(again.status, 200);
  await again.arrayBuffer();
});

test('E21: an alert notification as large as one may be holds up no request', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { url, adminUrl } = await gatewayProcess(t, policyOf([server.url]));
  const body = JSON.stringify({ version: '4', status: 'firing', alerts: Array(10_000).fill(ALERT) });
  assert.ok(body.length > 3.5 * MIB && body.length < 4 * MIB);
  const headers = { 'content-type': 'application/json' };
  const notify = async () => {
    const response = await fetch(`${adminUrl}/api/alerts`, { method: 'POST', headers, body });
    assert.equal(response.status, 200);
    assert.equal(((await response.json()) as { ignored: unknown[] }).ignored.length, 10_000);
  };
  // What the gateway does takes as long each time; what else runs on the machine only adds to it.
  const tries: number[] = [];
  for (let i = 0; i < 5; i++) tries.push(await slowestBeside(`${url}/v2/health/live`, notify));
  const slowest = Math.min(...tries);
  t.diagnostic(`10,000 alerts in ${body.length} bytes: the slowest request beside them took ${slowest.toFixed(0)} ms`);
  assert.ok(slowest < 200, `${slowest} ms`);
  const larger = await fetch(`${adminUrl}/api/alerts`, { method: 'POST', headers, body: ' '.repeat(5 * MIB) });
  assert.equal(larger.status, 413);
});

test('P10: bodies of admin calls have the bound of uploads as well', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { adminUrl } = await gateway(t, policyOf([server.url]), { limits: { uploadMemory: 2 * MIB } });
  const { host } = new URL(adminUrl);
  const head = `POST /api/alerts HTTP/1.1\r\nHost: ${host}\r\ncontent-type: application/json\r\nContent-Length: ${MIB}\r\n\r\n`;
  const callers = await Promise.all(Array.from({ length: 4 }, () => rawCaller(t, adminUrl)));
  for (const { send } of callers) send(head + ' '.repeat(MIB - 1));
  await until(() => callers.filter((caller) => caller.statuses()[0] === 503).length >= 2, 'the newest are refused');
  assert.match(callers.map((caller) => caller.text()).join(''), /retry-after: 1\r\n[\s\S]*too many request bodies/);
  for (const caller of callers) caller.send(' ');
  await until(() => callers.every((caller) => [400, 503].includes(caller.statuses()[0] ?? 0)), 'all are answered');
});
