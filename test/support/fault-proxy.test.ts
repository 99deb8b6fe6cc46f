import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Faults, faultProxy } from './fault-proxy.ts';
import { undo } from './undo.ts';
import { until } from './until.ts';

/** A server that sends back what it gets, a proxy in front of it, and one connection through it. */
async function echo(t: TestContext) {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo(t, () => server.close());
  const proxy = await faultProxy(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  undo(t, () => socket.destroy());
  const pieces: string[] = [];
  socket.setEncoding('latin1').on('data', (piece: string) => pieces.push(piece));
  await once(socket, 'connect');
  return { proxy, socket, pieces, text: () => pieces.join('') };
}

async function roundTrip(socket: Socket, text: () => string, message: string): Promise<number> {
  const start = performance.now();
  const before = text().length;
  socket.write(message);
  await until(() => text().length >= before + message.length, `an echo of ${message.slice(0, 20)}`);
  return performance.now() - start;
}

test('without faults bytes, order and a half-close go through', async (t) => {
  const { socket, text, proxy } = await echo(t);
  const long = Array.from({ length: 200_000 }, (_, i) => i % 10).join('');
  await roundTrip(socket, text, long);
  assert.equal(text(), long);
  socket.end('last');
  await once(socket, 'end');
  assert.equal(text(), `${long}last`);
  await until(() => proxy.open() === 0, 'the connection is closed');
});

test('latency, jitter and bandwidth delay bytes by what they say, and can be healed on an open connection', async (t) => {
  const { socket, text, proxy } = await echo(t);
  const took = async (faults: Faults, bytes = 'x') => {
    proxy.set({ toCaller: faults });
    return roundTrip(socket, text, bytes);
  };
  const late = await took({ latencyMs: 150 });
  assert.ok(late >= 149, `${late} ms`);
  const jittery = await took({ latencyMs: 100, jitterMs: 50 });
  assert.ok(jittery >= 49, `${jittery} ms`);
  const narrow = await took({ bytesPerSecond: 10_000 }, 'y'.repeat(3000));
  assert.ok(narrow >= 250, `${narrow} ms for 3,000 bytes at 10,000 a second`);
  const healed = await took({});
  assert.ok(healed < 100, `${healed} ms after healing`);
});

test('a black hole delivers nothing while it lasts, and everything afterwards', async (t) => {
  const { socket, text, proxy } = await echo(t);
  proxy.set({ toServer: { blackHole: true } });
  socket.write('one ');
  await sleep(100);
  socket.write('two');
  await sleep(100);
  assert.equal(text(), '');
  proxy.set({});
  await until(() => text() === 'one two', 'both messages');
});

test('slices arrive as packets of their own', async (t) => {
  const { socket, text, pieces, proxy } = await echo(t);
  proxy.set({ toCaller: { sliceBytes: 1, bytesPerSecond: 200 } }); // slow enough that the system does not join them
  await roundTrip(socket, text, 'abcdefgh');
  assert.ok(pieces.length >= 6, `${pieces.length} pieces`);
});

test('a cut ends a connection after exactly so many bytes, cleanly or with a reset', async (t) => {
  for (const by of ['end', 'reset'] as const) {
    const { socket, text, proxy } = await echo(t);
    let error: NodeJS.ErrnoException | undefined;
    socket.on('error', (reason) => {
      error = reason;
    });
    proxy.set({ toCaller: { cut: { afterBytes: 5, by } } });
    socket.write('123456789');
    await once(socket, 'close').catch(() => {});
    await until(() => socket.destroyed, 'the connection is gone');
    assert.equal(error?.code, by === 'reset' ? 'ECONNRESET' : undefined);
    // A reset may overtake the bytes before it.
    if (by === 'end') assert.equal(text(), '12345');
  }
});

test('a reset reaches every open connection, and a proxy that accepts nothing resets new ones', async (t) => {
  const { socket, proxy } = await echo(t);
  await until(() => proxy.open() === 1, 'one connection');
  proxy.reset();
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  proxy.accept(false);
  const refused = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  undo(t, () => refused.destroy());
  await once(refused, 'error');
  assert.equal(proxy.open(), 0);
});
