// A server that closes idle connections, and requests that may not be sent twice and arrive just then.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
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

type Closing = {
  /** How long the server lets a connection idle. */
  readonly idleMs: number;
  /** Whether it says so in a header. */
  readonly says: boolean;
  readonly waves: number;
};

/** Sends waves of requests that arrive when the server closes: all are answered. */
export async function losesNone(t: TestContext, { idleMs, says, waves }: Closing): Promise<void> {
  const { url: server } = await closingServer(t, idleMs, says);
  const policy = policyOf([server], 'timeout: 5s\n    idempotent: false').replace(
    `"${server}"`,
    `"${server}", max_in_flight: 500`,
  );
  const { url } = await gateway(t, policy);
  beBusy(t);
  const statuses = await aroundTheEdge(url, { waves, size: SIZE, idleMs });
  assert.deepEqual(statuses, { 200: SIZE * waves });
}
