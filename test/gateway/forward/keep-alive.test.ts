// Real servers that close idle connections, and requests that arrive just then: what may not be sent twice must not be lost.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../../gateway/cli/child.ts';
import { safeMsOf } from '../../../gateway/forward/idle-time.ts';
import { answering, fakeServer } from '../../support/fake-server.ts';
import { gateway, infer, policyOf } from '../../support/gateway.ts';
import { scriptServer } from '../../support/script-server.ts';
import { undo } from '../../support/undo.ts';

/** A server of its own process that lets connections idle for so long, and says so in a header or does not. */
function closingServer(t: TestContext, idleMs: number, says: boolean) {
  return scriptServer(
    t,
    `
const server = require('node:http').createServer((request, response) => {
  request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 }).end('{}'));
});
server.keepAliveTimeout = ${says ? idleMs : 0};
server.keepAliveTimeoutBuffer = 0; // of Node 24 and later: a second more than it says
if (!${says}) server.on('connection', (socket) => {
  let timer;
  const again = () => { clearTimeout(timer); timer = setTimeout(() => socket.end(), ${idleMs}); };
  socket.on('data', again).on('close', () => clearTimeout(timer));
  again();
});
`,
  );
}

/** A gateway with more to do than it can: that a server has closed a connection, it sees up to 15 ms late. */
function beBusy(t: TestContext): void {
  const stalls = setInterval(() => {
    for (const end = performance.now() + 15; performance.now() < end; );
  }, 30);
  undo(t, () => clearInterval(stalls));
}

/** Requests of a wave. */
const SIZE = 100;

/** Waves of requests, so that every connection idles for about as long as the server lets it: the statuses of all answers. */
async function aroundTheEdge(url: string, { waves, size, idleMs }: { waves: number; size: number; idleMs: number }) {
  const statuses = new Map<number, number>();
  const ask = async (wave: number, i: number) => {
    await sleep((wave * 7 + i) % 40);
    const answer = await infer(url);
    await answer.arrayBuffer();
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
  };
  for (let wave = 0; wave < waves; wave++) {
    await Promise.all(Array.from({ length: size }, (_, i) => ask(wave, i)));
    await sleep(idleMs - 35);
  }
  return Object.fromEntries(statuses);
}

for (const [idleMs, says, waves] of [
  [1000, false, 14],
  [1000, true, 8],
  [5000, false, 5],
] as const)
  test(`no request is lost to a server that closes after ${idleMs} ms of idleness and ${says ? 'says so' : 'does not say so'}`, async (t) => {
    const { url: server } = await closingServer(t, idleMs, says);
    const policy = policyOf([server], 'timeout: 5s\n    idempotent: false').replace(
      `"${server}"`,
      `"${server}", max_in_flight: 500`,
    );
    const { url } = await gateway(t, policy);
    beBusy(t);
    const statuses = await aroundTheEdge(url, { waves, size: SIZE, idleMs });
    assert.deepEqual(statuses, { 200: SIZE * waves });
  });

test('an idle connection is used for less time than the server keeps it, and for half a second while that is not known', () => {
  assert.deepEqual(
    [undefined, 300, 600, 1000, 2000, 5000, 6000].map((idle) => safeMsOf(idle)),
    [500, -200, 100, 500, 1500, 4000, 4000],
  );
});

test('what stands in front closes first: callers may let a connection to the gateway or a model server idle for over 60 s', async (t) => {
  const { url: server } = await fakeServer(t, answering({ outputs: [] }));
  const { url, adminUrl } = await gateway(t, policyOf([server]));
  const child = new Child(['model-server', '--port', '0', '--log-level', 'error']);
  undo(t, () => child.stop());
  const { url: modelServer } = await child.listening;
  for (const [at, path] of [
    [url, '/v2/health/live'],
    [adminUrl, '/livez'],
    [modelServer, '/v2/health/live'],
  ]) {
    const { headers } = await fetch(`${at}${path}`);
    const seconds = Number(/^timeout=(\d+)$/.exec(headers.get('keep-alive') ?? '')?.[1]);
    assert.ok(seconds > 60, `${at}: ${headers.get('keep-alive')}`); // of nginx (keepalive_timeout) and of AWS' balancers
  }
});
