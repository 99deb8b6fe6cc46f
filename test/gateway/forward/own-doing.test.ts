// What a caller does alone, or a server alone, and what is made of it: real sockets, read off the gateway's metrics.
import assert from 'node:assert/strict';
import { request as httpRequest, type RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { answering, fakeServer, silent } from '../../support/fake-server.ts';
import { freePorts } from '../../support/free-ports.ts';
import { gateway, infer, policyOf, type TestSettings } from '../../support/gateway.ts';
import { rawCaller } from '../../support/raw-caller.ts';
import { until } from '../../support/until.ts';

/** A gateway over one server with a model `m` of protocol http below /app. */
async function app(t: TestContext, script: RequestListener, more: string, limits: TestSettings['limits'] = {}) {
  const { url: server, seen } = await fakeServer(t, script);
  return {
    seen,
    ...watched(await gateway(t, policyOf([server], `protocol: http\n    prefix: /app\n    ${more}`), { limits })),
  };
}

/** A gateway with what its metrics and its status say. */
function watched({ url, adminUrl }: { readonly url: string; readonly adminUrl: string }) {
  const metrics = async () => (await fetch(`${adminUrl}/metrics`)).text();
  /** Requests by the class of their outcome, where there are any. */
  const outcomes = async () =>
    Object.fromEntries(
      [...(await metrics()).matchAll(/^sluice_requests_total\{.*outcome="(\w+)"\} ([1-9]\d*)$/gm)].map(
        ([, name, count]) => [name, Number(count)],
      ),
    );
  /** Seconds that all requests took together. */
  const seconds = async () => Number(/^sluice_request_duration_seconds_sum\{.*\} (\S+)$/m.exec(await metrics())?.[1]);
  const counted = (expected: Readonly<Record<string, number>>) =>
    until(async () => isDeepStrictEqual(await outcomes(), expected), `outcomes ${JSON.stringify(expected)}`).catch(
      async (error: unknown) => assert.deepEqual(await outcomes(), expected, String(error)),
    );
  const server = async () => {
    const { fleet } = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
      fleet: Record<string, { standing: string; failuresInARow: number; inFlight: number }>;
    };
    return fleet.s0;
  };
  return { url, outcomes, seconds, counted, server };
}

const echo: RequestListener = (request, response) => {
  request.on('end', () => response.end('done')).resume();
};

function head(declared: number): string {
  return `POST /app/x HTTP/1.1\r\nHost: sluice.test\r\nContent-Length: ${declared}\r\n\r\n`;
}

test('a path that the app behind a prefix does not have is the mistake of its caller', async (t) => {
  const { url, counted, server } = await app(
    t,
    (_request, response) => response.writeHead(404).end('no'),
    'timeout: 1s',
  );
  for (let i = 0; i < 12; i++) assert.equal((await fetch(`${url}/app/${i}`)).status, 404);
  await counted({ client_fault: 12 });
  assert.equal((await server())?.failuresInARow, 0);
});

test('an app behind a prefix that says 503 speaks for itself', async (t) => {
  const { url, counted } = await app(t, (_request, response) => response.writeHead(503).end(), 'timeout: 1s');
  assert.equal((await fetch(`${url}/app/x`)).status, 503);
  await counted({ model_fault: 1 });
});

test('an upload that takes longer than the timeout of the model is answered, and only the part of the server is timed', async (t) => {
  const { url, counted, seconds } = await app(t, echo, 'timeout: 300ms');
  const caller = await rawCaller(t, url);
  caller.send(`${head(3)}a`);
  for (const piece of ['b', 'c']) {
    await sleep(400);
    caller.send(piece);
  }
  await until(() => caller.statuses()[0] === 200, 'an answer');
  await counted({ ok: 1 });
  assert.ok((await seconds()) < 0.3, `${await seconds()} s`);
});

test('a server that is slow once it has the whole upload is too late, however slow the upload was', async (t) => {
  const { url, counted, seconds } = await app(t, silent, 'timeout: 300ms');
  const caller = await rawCaller(t, url);
  caller.send(`${head(2)}a`);
  await sleep(500);
  assert.deepEqual(caller.statuses(), []);
  caller.send('b');
  await until(() => caller.statuses()[0] === 504, 'the deadline');
  await counted({ model_fault: 1 });
  assert.ok((await seconds()) < 0.5, `${await seconds()} s`);
});

test('a server that takes nothing of an upload is too late', async (t) => {
  const { url, counted } = await app(t, () => {}, 'timeout: 500ms', { bodyLimit: 100_000_000 });
  const answer = await fetch(`${url}/app/x`, { method: 'POST', body: Buffer.alloc(80_000_000) }).catch(() => undefined);
  if (answer !== undefined) assert.equal(answer.status, 504);
  await counted({ model_fault: 1 });
});

test('four stalled uploads are told 408, eject no server and speak against no version', async (t) => {
  const { url, counted, server, seen } = await app(t, echo, 'timeout: 100ms', { requestTimeoutMs: 700 });
  const stalled = await Promise.all(Array.from({ length: 4 }, () => rawCaller(t, url)));
  for (const caller of stalled) caller.send(`${head(100)}a`);
  await until(() => seen.length === 4, 'four uploads at the server');
  await until(() => stalled.every((caller) => caller.statuses()[0] === 408), 'four refusals');
  await until(() => stalled.every((caller) => caller.ended() !== undefined), 'the end of their connections');
  assert.match(stalled[0]?.text() ?? '', /\{"error":"the request did not arrive in time"\}$/);
  await counted({ client_fault: 4 });
  const { standing, failuresInARow, inFlight } = (await server()) ?? {};
  assert.deepEqual({ standing, failuresInARow, inFlight }, { standing: 'healthy', failuresInARow: 0, inFlight: 0 });
  assert.equal((await fetch(`${url}/app/x`, { method: 'POST', body: 'x' })).status, 200);
});

test('a late upload cuts an answer that has begun, and writes nothing into it', async (t) => {
  const early: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 }).write('part');
  };
  const { url, counted } = await app(t, early, 'timeout: 5s', { requestTimeoutMs: 500 });
  const caller = await rawCaller(t, url);
  caller.send(`${head(100)}a`);
  await until(() => caller.ended() !== undefined, 'the end of the connection');
  assert.match(caller.text(), /\r\n\r\npart$/);
  await counted({ client_fault: 1 });
});

const BIG = 64 * 1024 * 1024; // more than the buffers of the system hold
const flood: RequestListener = (request, response) => {
  request.resume();
  response.writeHead(200, { 'content-length': BIG });
  const piece = Buffer.alloc(64 * 1024, 'x');
  let sent = 0;
  const more = () => {
    while (sent < BIG) {
      sent += piece.length;
      if (!response.write(piece)) return void response.once('drain', more);
    }
    response.end();
  };
  more();
};

test('an answer that its caller takes more slowly than any limit of the server arrives whole', async (t) => {
  const { url, counted } = await app(t, flood, 'timeout: 5s\n    idle_timeout: 200ms');
  const bytes = await new Promise<number>((resolve, reject) => {
    let taken = 0;
    httpRequest(`${url}/app/x`, (received) => {
      received.on('data', (piece: Buffer) => {
        if (taken === 0) {
          received.pause();
          setTimeout(() => received.resume(), 1000);
        }
        taken += piece.length;
      });
      received.on('end', () => resolve(taken)).on('error', reject);
    }).end();
  });
  assert.equal(bytes, BIG);
  await counted({ ok: 1 });
});

test('a caller that takes nothing of its answer is cut off by the limits for callers, and blames nobody', async (t) => {
  const { url, outcomes, server } = await app(t, flood, 'timeout: 300ms\n    idle_timeout: 100ms', {
    answerTimeoutMs: 700,
  });
  const stuck = await rawCaller(t, url);
  stuck.socket.pause();
  stuck.send('GET /app/x HTTP/1.1\r\nHost: sluice.test\r\n\r\n');
  await until(async () => (await server())?.inFlight === 0 && Object.keys(await outcomes()).length > 0, 'its end');
  const [outcome = ''] = Object.keys(await outcomes());
  assert.match(outcome, /^client_(left|fault)$/);
  assert.equal((await server())?.failuresInARow, 0);
});

test('an event stream is timed until its first event', async (t) => {
  const { url, counted, seconds } = await app(
    t,
    async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      await sleep(150);
      response.write('data: 1\n\n');
      await sleep(600);
      response.end('data: 2\n\n');
    },
    'timeout: 5s',
  );
  assert.equal(await (await fetch(`${url}/app/x`)).text(), 'data: 1\n\ndata: 2\n\n');
  await counted({ ok: 1 });
  const took = await seconds();
  assert.ok(took >= 0.14 && took < 0.6, `${took} s`);
});

for (const kind of ['triton', 'mlserver'])
  test(`v1 calls to ${kind}, which has no v1, are their callers' mistake and leave the server in service`, async (t) => {
    const { url: server, seen } = await fakeServer(t, (request, response) => {
      if (request.url?.startsWith('/v1')) response.writeHead(404, { 'content-length': 2 }).end('{}');
      else answering({})(request, response);
    });
    const policy = policyOf([server]).replace(`"${server}"`, `"${server}", kind: ${kind}`);
    const { url, counted } = watched(await gateway(t, policy));
    for (let i = 0; i < 12; i++)
      assert.equal((await fetch(`${url}/v1/models/m:predict`, { method: 'POST', body: '{}' })).status, 404);
    assert.equal(seen.length, 12, 'none was sent again');
    assert.equal((await infer(url)).status, 200);
    await counted({ client_fault: 12, ok: 1 });
  });

test('of TensorFlow Serving, which has no v2, readiness is asked by v1, and a v2 call is the mistake of its caller', async (t) => {
  const looks: string[] = [];
  const { url: server } = await fakeServer(
    t,
    (request, response) => {
      if (request.url?.startsWith('/v2')) response.writeHead(404, { 'content-length': 2 }).end('{}');
      else answering({})(request, response);
    },
    (request, response) => {
      looks.push(request.url ?? '');
      response.end('{"model_version_status":[{"state":"AVAILABLE"}]}');
    },
  );
  const policy = policyOf([server]).replace(`"${server}"`, `"${server}", kind: tensorflow-serving`);
  const { url, counted } = watched(await gateway(t, policy));
  assert.equal((await infer(url)).status, 404);
  await until(() => looks.includes('/v1/models/m'), 'a look at its readiness');
  assert.ok(
    looks.every((path) => path.startsWith('/v1/')),
    looks.join(),
  );
  assert.equal((await fetch(`${url}/v1/models/m:predict`, { method: 'POST', body: '{}' })).status, 200);
  await counted({ client_fault: 1, ok: 1 });
});

test('no connection, a connection that breaks and a model that is not loaded are faults of servers', async (t) => {
  const [port] = await freePorts(1);
  for (const [status, script] of [
    [502, undefined],
    [502, (request) => void request.socket.destroy()],
    [503, answering({ error: 'loading' }, 503)],
  ] as const satisfies readonly (readonly [number, RequestListener | undefined])[]) {
    const server = script === undefined ? `http://127.0.0.1:${port}` : (await fakeServer(t, script)).url;
    const { url, counted } = watched(await gateway(t, policyOf([server], 'timeout: 1s\n    retry_budget: 0%')));
    assert.equal((await infer(url)).status, status);
    await counted({ server_fault: 1 });
  }
});
