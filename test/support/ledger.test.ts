import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from './fake-server.ts';
import { Ledger } from './ledger.ts';
import { until } from './until.ts';

test('a ledger tells lost, duplicated, unserved and smuggled requests, and those served after the caller left', async (t) => {
  const ledger = new Ledger();
  const good = await fakeServer(t, ledger.at('good', answering({})));
  const resetting = await fakeServer(
    t,
    ledger.at('resetting', (_request, response) => response.destroy()),
  );
  const deaf = await fakeServer(
    t,
    ledger.at('deaf', async (_request, response) => {
      await sleep(300);
      response.end('{}'); // the caller is gone by now
    }),
  );
  const ask = (url: string, id: string, signal?: AbortSignal) =>
    fetch(url, { headers: { 'x-request-id': id }, ...(signal && { signal }) }).then(async (response) => {
      await response.arrayBuffer();
      return response.status;
    });
  const ids: Record<string, string> = {};
  const named = (name: string, send: (id: string) => Promise<number>) => (id: string) => {
    ids[name] = id;
    return send(id);
  };

  assert.deepEqual(await ledger.call(named('fine', (id) => ask(good.url, id))), { kind: 'answered', status: 200 });
  await ledger.call(
    named('twice', async (id) => {
      await ask(good.url, id);
      return ask(good.url, id);
    }),
  );
  assert.equal((await ledger.call(named('lost', (id) => ask(resetting.url, id)))).kind, 'failed');
  await ledger.call(named('unserved', async () => 200));
  const abort = new AbortController();
  const leaving = ledger.call(
    named('late', (id) => ask(deaf.url, id).then(() => Promise.reject(abort.signal.reason))),
    abort.signal,
  );
  await until(() => ledger.report().arrivals.deaf === 1, 'the request has arrived');
  abort.abort();
  assert.equal((await leaving).kind, 'left');
  await ask(good.url, 'smuggled');

  const report = ledger.report();
  assert.equal(report.calls, 5);
  assert.deepEqual(report.statuses, { 200: 3 });
  assert.deepEqual(report.lost, [ids.lost]);
  assert.deepEqual(report.duplicated, [ids.twice]);
  assert.deepEqual(report.unserved, [ids.unserved]);
  assert.deepEqual(report.servedAfterLeft, [ids.late]);
  assert.deepEqual(report.unknown, ['smuggled']);
  assert.deepEqual(report.arrivals, { good: 4, resetting: 1, deaf: 1 });
  assert.deepEqual(ledger.report({ graceMs: 5000 }).servedAfterLeft, []);
});

test('a call that was cancelled at its server in time is not served after the caller left', async (t) => {
  const ledger = new Ledger();
  const silent = await fakeServer(
    t,
    ledger.at('silent', (request) => void request.resume()),
  );
  const abort = new AbortController();
  const call = ledger.call(
    (id) => fetch(silent.url, { headers: { 'x-request-id': id }, signal: abort.signal }).then(({ status }) => status),
    abort.signal,
  );
  await until(() => silent.seen.length === 1, 'the request has arrived');
  abort.abort();
  assert.deepEqual(await call, { kind: 'left' });
  await until(() => silent.seen[0]?.socket.destroyed === true, 'it is cancelled');
  assert.deepEqual(ledger.report().servedAfterLeft, []);
});
