import assert from 'node:assert/strict';
import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { cpuMicros } from '../support/process-tree.ts';
import { undo } from '../support/undo.ts';
import { Backend } from './backend-process.ts';
import { faultsOf, measure } from './round.ts';
import { startScript } from './targets/target.ts';

const SIZE = { requests: 400, connections: 8, pairs: 20 };

test('a round of an honest proxy counts, and has a figure for everything', async (t) => {
  const backend = await started(t);
  const running = await startScript('bare', [backend.urls.url]);
  undo(t, () => running.stop());
  const round = await measure({ target: { name: 'bare', start: async () => running }, running }, backend, SIZE);
  for (const [name, figure] of Object.entries(round)) assert.ok(Number.isFinite(figure), `${name} is ${figure}`);
  assert.ok(round.cpuMicros > 1 && round.cpuMicros < 50_000, `${round.cpuMicros} us a request`);
  assert.ok(round.residentMiB > 10, `${round.residentMiB} MiB`);
});

test('a proxy that asks twice or fails now and then is found out', async (t) => {
  const backend = await started(t);
  const cases: [string, RequestListener, RegExp][] = [
    [
      'asks twice',
      (_, response) => ask(backend, () => ask(backend, () => response.end('ok'))),
      /saw 800 requests of 400/,
    ],
    ['fails now and then', failing(backend), /[12] of 400 were not answered 200/],
  ];
  for (const [name, answer, why] of cases) {
    const running = await proxying(t, answer);
    await assert.rejects(measure({ target: { name, start: async () => running }, running }, backend, SIZE), why);
  }
});

test('a round counts only with the share and the copies that its target promises', () => {
  const answered = { statuses: new Map([[200, 1000]]) };
  const seen = { all: 1000, candidate: 0, mirrored: 0 };
  const faults = (target: { weighted?: true; mirrors?: true }, more: Partial<typeof seen>) =>
    faultsOf(target, 1000, answered, { ...seen, ...more }).length;
  assert.equal(faults({}, {}), 0);
  assert.equal(faults({}, { candidate: 1 }), 1);
  assert.equal(faults({}, { mirrored: 1 }), 1);
  assert.equal(faults({}, { all: 1001 }), 1);
  assert.equal(faults({ weighted: true }, { candidate: 100 }), 0);
  assert.equal(faults({ weighted: true }, { candidate: 0 }), 1);
  assert.equal(faults({ weighted: true }, { candidate: 500 }), 1);
  assert.equal(faults({ mirrors: true }, { mirrored: 1000 }), 0);
  assert.equal(faults({ mirrors: true }, { mirrored: 999 }), 1);
});

test('the CPU time of a process has its children in it', async (t) => {
  const backend = await started(t);
  // This process started the backend: what the backend does must show in this one's tree.
  const [own, before] = [backend.cpuMicros, cpuMicros(process.pid)];
  const running = await startScript('bare', [backend.urls.url]);
  undo(t, () => running.stop());
  await measure({ target: { name: 'bare', start: async () => running }, running }, backend, SIZE);
  assert.ok(cpuMicros(process.pid) - before >= backend.cpuMicros - own + cpuMicros(running.pid) * 0.5);
});

async function started(t: TestContext): Promise<Backend> {
  const backend = await Backend.start();
  undo(t, () => backend.stop());
  return backend;
}

/** A proxy inside this process. */
async function proxying(t: TestContext, answer: RequestListener) {
  const server = createServer((incoming, response) => incoming.resume().on('end', () => answer(incoming, response)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async () => {
    server.close();
    server.closeAllConnections();
  };
  undo(t, stop);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, pid: process.pid, stop };
}

function failing(backend: Backend): RequestListener {
  let count = 0;
  return (_, response) => ask(backend, () => response.writeHead(++count % 300 === 0 ? 503 : 200).end('ok'));
}

function ask({ urls }: Backend, then: () => void): void {
  request(`${urls.url}/v2/models/digits/infer`, { method: 'POST' }, (response) =>
    response.resume().on('end', then),
  ).end();
}
