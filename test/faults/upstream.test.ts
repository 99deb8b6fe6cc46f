// Rows F of the catalogue of faults, and what issue retries, caps and ejection promise: counted by the ledger.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { faultProxy } from '../support/fault-proxy.ts';
import { freePorts } from '../support/free-ports.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { Ledger } from '../support/ledger.ts';
import { openLoop } from '../support/open-loop.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

type Status = { fleet: Record<string, { standing: string; inFlight: number }> };

const JSON_TYPE = { 'content-type': 'application/json' };

async function statusOf(adminUrl: string): Promise<Status> {
  return (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
}

/** Calls through the ledger, this many at a time, until `calls` were made. */
async function callMany(ledger: Ledger, url: string, calls: number, atATime: number): Promise<void> {
  let left = calls;
  const caller = async () => {
    while (left-- > 0) await ledger.call((id) => callOnce(url, id));
  };
  await Promise.all(Array.from({ length: atATime }, caller));
}

async function callOnce(url: string, id: string, signal?: AbortSignal): Promise<number> {
  const response = await infer(url, { headers: { 'x-request-id': id }, ...(signal && { signal }) });
  await response.arrayBuffer();
  return response.status;
}

test('P4: with every server answering 503 there are at most 1.2 attempts a request', async (t) => {
  const ledger = new Ledger();
  const servers = await Promise.all(
    ['a', 'b', 'c'].map((name) => fakeServer(t, ledger.at(name, answering({ error: 'loading' }, 503)))),
  );
  const { url } = await gateway(t, policyOf(servers.map((server) => server.url)));
  await callMany(ledger, url, 1000, 16);
  const { arrivals, statuses, calls } = ledger.report();
  const attempts = Object.values(arrivals).reduce((sum, count) => sum + count, 0);
  t.diagnostic(`${attempts} attempts for ${calls} requests`);
  assert.deepEqual(statuses, { 503: 1000 });
  assert.ok(attempts <= 1.2 * calls && attempts > calls, `${attempts}`);
});

test('P4: the same with servers that break every connection off, and none with retry_budget: 0%', async (t) => {
  for (const [more, most] of [
    ['timeout: 2s', 1.2],
    ['timeout: 2s\n    retry_budget: 0%', 1],
    ['timeout: 2s\n    idempotent: false', 1],
  ] as const) {
    const ledger = new Ledger();
    const breaking: RequestListener = (request) => void request.socket.destroy();
    const servers = await Promise.all(['a', 'b'].map((name) => fakeServer(t, ledger.at(name, breaking))));
    const { url } = await gateway(
      t,
      policyOf(
        servers.map((server) => server.url),
        more,
      ),
    );
    await callMany(ledger, url, 300, 8);
    const { arrivals, statuses } = ledger.report();
    const attempts = Object.values(arrivals).reduce((sum, count) => sum + count, 0);
    assert.deepEqual(statuses, { 502: 300 });
    assert.ok(attempts <= most * 300, `${more}: ${attempts}`);
  }
});

test('P6: 20 of 20 abandoned requests are cancelled at the server', async (t) => {
  const ledger = new Ledger();
  const { url: server, seen } = await fakeServer(t, ledger.at('a', silent));
  const { url } = await gateway(t, policyOf([server], 'timeout: 20s'));
  const abort = new AbortController();
  const calls = Array.from({ length: 20 }, () => ledger.call((id) => callOnce(url, id, abort.signal), abort.signal));
  await until(() => seen.length === 20, 'all are at the server');
  const start = performance.now();
  abort.abort();
  await Promise.all(calls);
  await until(() => seen.every(({ socket }) => socket.destroyed), 'all are cancelled');
  t.diagnostic(`20 of 20 cancelled ${Math.round(performance.now() - start)} ms after their callers left`);
  assert.deepEqual(ledger.report({ graceMs: 1000 }).servedAfterLeft, []);
});

test('P7: one of three servers dead under load costs at most one error for each request in flight on it', async (t) => {
  const ledger = new Ledger();
  const slowly: RequestListener = (request, response) => {
    request.resume();
    setTimeout(() => response.writeHead(200, JSON_TYPE).end('{}'), 20);
  };
  const servers = await Promise.all(['a', 'b', 'c'].map((name) => fakeServer(t, ledger.at(name, slowly))));
  const proxy = await faultProxy(t, servers[0]?.url ?? '');
  const { url, adminUrl } = await gateway(t, policyOf([proxy.url, ...servers.slice(1).map((server) => server.url)]));
  const load = callMany(ledger, url, 1500, 24);
  await sleep(300);
  const inFlight = (await statusOf(adminUrl)).fleet.s0?.inFlight ?? 0;
  proxy.accept(false);
  proxy.reset();
  await load;
  const { statuses, lost } = ledger.report();
  const errors = 1500 - (statuses[200] ?? 0);
  t.diagnostic(`${errors} errors, about ${inFlight} requests in flight on the dead server`);
  assert.deepEqual(lost, []);
  assert.ok(errors <= Math.max(inFlight, 8), JSON.stringify(statuses));
});

test('P8: a server that turns 200 ms slower has less than a tenth of the load within 2 s, and gets it back', async (t) => {
  const servers = await Promise.all(['a', 'b', 'c'].map(() => fakeServer(t, answering({}))));
  const proxy = await faultProxy(t, servers[0]?.url ?? '');
  const { url } = await gateway(
    t,
    policyOf([proxy.url, ...servers.slice(1).map((server) => server.url)], 'timeout: 2s'),
  );
  const seen = () => servers.map((server) => server.seen.length);
  const load = openLoop({ perSecond: 150, forMs: 6000, send: async () => (await infer(url)).status });
  await sleep(1000);
  const healthy = seen();
  proxy.set({ toCaller: { latencyMs: 200 } });
  await sleep(2000);
  const before = seen();
  await sleep(2000);
  const after = seen();
  await load;
  const deltas = after.map((count, i) => count - (before[i] ?? 0));
  const share = (deltas[0] ?? 0) / deltas.reduce((sum, count) => sum + count, 0);
  t.diagnostic(`share of the slow server: ${(share * 100).toFixed(1)} %, before ${healthy.join(' ')}`);
  assert.ok(share < 0.1, `${deltas}`);
});

test('F1, F17, F18: all servers dead is 502 at once, and when they are back so are the answers', async (t) => {
  const [port] = await freePorts(1);
  const { url } = await gateway(t, policyOf([`http://127.0.0.1:${port}`]));
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    assert.equal((await infer(url)).status, 502);
    assert.ok(performance.now() - start < 500);
  }
  await fakeServer(t, answering({}), undefined, { host: '127.0.0.1', port: Number(port) });
  await until(async () => (await infer(url)).status === 200, 'it answers again');
});

test('F2: a server that accepts and never answers is 504 at the deadline, its places are freed and it is left alone', async (t) => {
  const hole = await fakeServer(t, silent);
  const good = await fakeServer(t, answering({}));
  const { url, adminUrl } = await gateway(t, policyOf([hole.url, good.url], 'timeout: 300ms'));
  const statuses = await Promise.all(Array.from({ length: 60 }, async () => (await infer(url)).status));
  assert.ok(statuses.every((status) => status === 200 || status === 504));
  const later: number[] = [];
  for (let i = 0; i < 40; i++) later.push((await infer(url)).status);
  assert.ok(later.filter((status) => status !== 200).length <= 1, later.join(' '));
  assert.equal((await statusOf(adminUrl)).fleet.s0?.inFlight, 0);
});

test('F3: headers and then a stall is 504 at the deadline', async (t) => {
  const { url: server } = await fakeServer(t, (_request, response) => {
    response.writeHead(200, { ...JSON_TYPE, 'content-length': 10 }).flushHeaders();
  });
  const { url } = await gateway(t, policyOf([server], 'timeout: 200ms'));
  assert.equal((await infer(url)).status, 504);
});

test('F5: of 2,000 posts beside a server that closes idle connections at 50 ms none is lost', async (t) => {
  for (const by of ['end', 'reset'] as const) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      let idle: NodeJS.Timeout | undefined;
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk) => {
        clearTimeout(idle);
        text += chunk;
        if (!text.includes('\r\n\r\n') || (text.startsWith('POST') && !text.endsWith('}'))) return;
        text = '';
        socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
        idle = setTimeout(() => (by === 'end' ? socket.end() : socket.resetAndDestroy()), 50);
      });
      socket.on('close', () => clearTimeout(idle));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    undo(t, () => void server.close());
    const { url } = await gateway(t, policyOf([`http://127.0.0.1:${(server.address() as { port: number }).port}`]));
    const ledger = new Ledger();
    const caller = async () => {
      for (let i = 0; i < 125; i++) {
        await ledger.call((id) => callOnce(url, id));
        await sleep(50);
        const stall = performance.now() + 8;
        if (i % 5 === 0) while (performance.now() < stall); // the event loop is held, as a busy gateway's is
      }
    };
    await Promise.all(Array.from({ length: 8 }, caller));
    const { statuses, calls } = ledger.report();
    assert.equal(calls, 1000);
    assert.deepEqual(statuses, { 200: 1000 }, by);
  }
});

test('F6, F7: an answer that breaks off in the middle is 502 and never a whole one', async (t) => {
  for (const chunked of [true, false]) {
    const { url: server } = await fakeServer(t, (request, response) => {
      response.writeHead(200, chunked ? JSON_TYPE : { ...JSON_TYPE, 'content-length': 100 }).write('{"outputs":');
      setTimeout(() => request.socket.resetAndDestroy(), 20);
    });
    const { url } = await gateway(t, policyOf([server]));
    assert.equal((await infer(url)).status, 502);
  }
});

test('F9, F10: 204 and empty bodies pass, and answers never run into each other', async (t) => {
  let i = 0;
  const { url: server } = await fakeServer(t, (request, response) => {
    request.resume();
    if (i++ % 2 === 0) request.socket.write('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello');
    else response.writeHead(200, JSON_TYPE).end('{"whole":true}');
  });
  const { url } = await gateway(t, policyOf([server]));
  for (let n = 0; n < 10; n++) {
    const response = await infer(url);
    const text = await response.text();
    assert.ok(response.status === 204 ? text === '' : response.status === 502 || text === '{"whole":true}', text);
  }
});

test('F11: an answer of more than 64 MiB is 502, and its server is cut off', async (t) => {
  let sent = 0;
  const { url: server } = await fakeServer(t, async (_request, response) => {
    response.setMaxListeners(0).writeHead(200, { 'content-length': 2 ** 31 });
    const piece = Buffer.alloc(1024 * 1024);
    while (!response.destroyed && sent < 300) {
      sent++;
      if (!response.write(piece)) await new Promise((go) => response.once('drain', go).once('close', go));
    }
  });
  const { url } = await gateway(t, policyOf([server], 'timeout: 10s'));
  assert.equal((await infer(url)).status, 502);
  assert.ok(sent < 100, `${sent} MiB were taken`);
});

test("F13: a server's 429 goes to another server once, never to the same, and is nobody's error", async (t) => {
  const full = await fakeServer(t, answering({ error: 'queue full' }, 429));
  const alone = await gateway(t, policyOf([full.url]));
  assert.equal((await infer(alone.url)).status, 429);
  assert.equal(full.seen.length, 1);
  const good = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([full.url, good.url]));
  for (let i = 0; i < 5; i++) assert.equal((await infer(url)).status, 200);
  assert.match(await (await fetch(`${alone.adminUrl}/metrics`)).text(), /outcome="shed"\} 1$/m);
});

test('F15: what a server tells of itself does not reach callers', async (t) => {
  const inside = {
    server: 'uvicorn',
    via: '1.1 inner',
    'x-powered-by': 'x',
    'set-cookie': 'a=1',
    location: 'http://10.0.0.1/',
  };
  const { url: server } = await fakeServer(t, (request, response) => {
    request.resume();
    response.writeHead(200, { ...JSON_TYPE, ...inside, 'endpoint-load-metrics': 'kept' }).end('{}');
  });
  const { url } = await gateway(t, policyOf([server]));
  const { headers } = await infer(url);
  for (const name of Object.keys(inside)) assert.equal(headers.get(name), null, name);
  assert.equal(headers.get('endpoint-load-metrics'), 'kept');
});

test('F16: a server that flaps every half second costs less with time, and its ejections grow', async (t) => {
  const flapping = await fakeServer(t, (request, response) => {
    if (Math.floor(performance.now() / 500) % 2 === 0) request.socket.destroy();
    else answering({})(request, response);
  });
  const good = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([flapping.url, good.url]));
  const errorsIn = async (forMs: number) => {
    const { sent } = await openLoop({ perSecond: 100, forMs, send: async () => (await infer(url)).status });
    return sent.filter(({ result }) => !result.ok || result.value !== 200).length;
  };
  const [first, second] = [await errorsIn(3000), await errorsIn(3000)];
  t.diagnostic(`${first} errors in 3 s, then ${second}`);
  assert.ok(first + second <= 12, `${first} ${second}`);
});
