// What callers experience while a shadow is well, frozen, resetting, slow or reading nothing: row P3 of the promises.
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { backend, callers } from '../support/callers.ts';
import { type GatewayProcess, gatewayProcess } from '../support/gateway-process.ts';
import { scriptServer } from '../support/script-server.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const SLOW = `
const server = require('node:http').createServer((request, response) => {
  if (request.headers['user-agent'] === 'sluice-probe') return response.end('{}');
  request.resume().on('end', () => setTimeout(() => response.end(), 10_000));
});
`;
const TIMEOUT_MS = 2000;
const WARM_UP_MS = 700;

export type Traffic = { readonly bytes: number; readonly perSecond: number; readonly forMs: number };

/** Latency in ms, the most resident memory of the gateway in MiB, and copies by what became of them. */
export type Experience = {
  readonly state: string;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly memory: number;
  readonly copies: Readonly<Record<string, number>>;
};

/** The states of a shadow, each with a server in that state; `off` is no shadow. */
export const STATES: Readonly<Record<string, (t: TestContext) => Promise<string>>> = {
  off: async () => '',
  healthy: async (t) => (await backend(t)).urls.url,
  frozen: async (t) => {
    const server = await backend(t);
    server.signal('SIGSTOP');
    return server.urls.url;
  },
  resetting: (t) => listening(t, (socket) => socket.resetAndDestroy()),
  'slow by 10 s': async (t) => (await scriptServer(t, SLOW)).url,
  'reading nothing': (t) => listening(t, (socket) => socket.pause()),
};

/**
 * What a shadow may add to the memory of a gateway, in MiB, beside the same traffic without one. Node 24 collects dead
 * bodies at 64 MiB, Node 20 at 32 MiB, with a shadow or without: a growth since the start would be mostly theirs.
 */
export const MOST_MEMORY = 64;

/** Sends traffic past a shadow in this state. Every request must be answered, and every copy be accounted for. */
export async function experience(t: TestContext, state: string, traffic: Traffic): Promise<Experience> {
  const shadowUrl = (await STATES[state]?.(t)) ?? '';
  const primary = await backend(t);
  const gateway = await gatewayProcess(t, policyWith(primary.urls.url, shadowUrl));
  await run(gateway, { ...traffic, forMs: WARM_UP_MS });
  const { latency, failures } = await run(gateway, traffic);
  assert.deepEqual(failures, [], `${state}: every caller has an answer`);
  const told = { state, p50: latency(0.5), p90: latency(0.9), p99: latency(0.99), memory: gateway.memory().most };
  if (shadowUrl === '') return { ...told, copies: {} };
  const offered =
    Math.floor((traffic.perSecond * traffic.forMs) / 1000) + Math.floor((traffic.perSecond * WARM_UP_MS) / 1000);
  const copies = await settled(gateway);
  assert.equal(copies.offered, offered, `${state}: a copy of each request was offered`);
  assert.equal(copies.offered, (copies.sent ?? 0) + (copies.dropped ?? 0), `${state}: sent or dropped`);
  assert.equal(copies.sent, (copies.answered ?? 0) + (copies.failed ?? 0) + (copies.timed_out ?? 0), `${state}: ended`);
  assert.equal(copies.compared, copies.sent, `${state}: every pair of what was sent is compared`);
  return { ...told, copies };
}

/** One line a state. */
export function line({ state, p50, p90, p99, memory, copies }: Experience): string {
  const counted = Object.entries(copies).map(([name, count]) => `${name} ${count}`);
  return `${state}: p50 ${p50.toFixed(2)} ms, p90 ${p90.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${memory.toFixed(0)} MiB; ${counted.join(', ')}`;
}

function run({ url }: GatewayProcess, { bytes, perSecond, forMs }: Traffic) {
  const body = Buffer.alloc(bytes, ' ');
  body.write('{"inputs":[]}');
  return callers(url, { body, perSecond, forMs });
}

/** The counts once nothing waits and nothing is on its way. */
async function settled({ adminUrl }: GatewayProcess): Promise<Record<string, number>> {
  let copies: Record<string, number> = {};
  await until(async () => {
    await sleep(50);
    copies = countsIn(await (await fetch(`${adminUrl}/metrics`)).text());
    return copies.open === 0;
  }, 'no copy is on its way');
  return copies;
}

function countsIn(text: string): Record<string, number> {
  const sum = (pattern: RegExp) => [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  const copies = Object.fromEntries(
    ['offered', 'sent', 'answered', 'failed', 'timed_out'].map((result) => [
      result,
      sum(new RegExp(`^sluice_mirror_copies_total\\{.*result="${result}"\\} (\\d+)$`, 'gm')),
    ]),
  );
  return {
    ...copies,
    dropped: sum(/^sluice_mirror_dropped_total\{.*\} (\d+)$/gm),
    compared: sum(/^sluice_comparisons_total\{result="compared"\} (\d+)$/gm),
    open:
      sum(/^sluice_mirror_(?:in_flight|waiting)\{.*\} (\d+)$/gm) +
      sum(/^sluice_comparisons_total\{result="waiting"\} (\d+)$/gm),
  };
}

function policyWith(primary: string, shadow: string): string {
  const other = shadow === '' ? '' : `\n  s: { url: "${shadow}" }`;
  const lines =
    shadow === ''
      ? 'versions: { v1: { servers: [p] } }'
      : 'versions: { v1: { servers: [p] }, v2: { servers: [s] } }\n    shadow: [{ version: v2, sample: 100% }]';
  return `apiVersion: sluice/v1\nfleet:\n  p: { url: "${primary}" }${other}\nmodels:\n  m:\n    timeout: ${TIMEOUT_MS}ms\n    baseline: v1\n    ${lines}\n`;
}

async function listening(t: TestContext, greet: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    greet(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}
