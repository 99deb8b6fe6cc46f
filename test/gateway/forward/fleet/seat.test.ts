import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Result } from '../../../../gateway/forward/exchange.ts';
import { Health } from '../../../../gateway/forward/fleet/health.ts';
import { Seat, WARM_AFTER } from '../../../../gateway/forward/fleet/seat.ts';
import type { Server } from '../../../../gateway/forward/fleet/server.ts';
import { noteHealth } from '../../../../gateway/forward/note-health.ts';

function seated() {
  const health = new Health(performance.now());
  const server = { health, spec: { kind: 'sluice' }, answered() {}, brokeOff() {} } as unknown as Server;
  const seat = new Seat(server);
  const hear = (result: Result) =>
    noteHealth(seat, result, { call: 'infer', since: performance.now() - 1, timeoutMs: 1000 });
  const answer = (status: number, headers = {}) => hear({ kind: 'response', status, headers, body: Buffer.alloc(0) });
  const fail = (fault: 'unreachable' | 'broken' | 'too_slow') => hear({ kind: 'fault', fault, isStarted: false });
  return { seat, health, answer, fail };
}

test('a seat is warm once the model has run there twenty times, well or not', () => {
  const { seat, answer } = seated();
  for (let i = 0; i < WARM_AFTER; i++) {
    assert.equal(seat.isWarm, false);
    answer(i % 2 === 0 ? 200 : 500);
  }
  assert.equal(seat.answered, 20);
  assert.equal(seat.isWarm, true);
});

test('answers for which the model did not run warm nothing', () => {
  const { seat, answer } = seated();
  for (const status of [400, 413, 429, 501]) for (let i = 0; i < 30; i++) answer(status);
  assert.equal(seat.answered, 0);
});

test('a server that was ejected, not ready or out of reach is cold again', () => {
  for (const [what, leave] of [
    ['not ready', ({ answer }: ReturnType<typeof seated>) => answer(503)],
    ['out of reach', ({ fail }) => fail('unreachable')],
    ['ejected', ({ fail }) => [fail('broken'), fail('broken'), fail('broken')]],
  ] as const satisfies readonly (readonly [string, (seat: ReturnType<typeof seated>) => unknown])[]) {
    const setup = seated();
    for (let i = 0; i < 25; i++) setup.answer(200);
    leave(setup);
    assert.equal(setup.seat.answered, 0, what);
    setup.answer(200);
    assert.equal(setup.seat.answered, 1, what);
  }
});

test('one broken connection, or a caller that is too slow, cools nothing and ejects nothing', () => {
  const { seat, health, answer, fail } = seated();
  for (let i = 0; i < 25; i++) answer(200);
  fail('broken');
  for (let i = 0; i < 10; i++) fail('too_slow');
  assert.equal(seat.answered, 25);
  assert.equal(health.standing(performance.now()), 'healthy');
});

test('a circle, which callers can bring about, changes nothing in how fast a seat is held to be', () => {
  const { seat, answer } = seated();
  const latency = () => seat.cost(performance.now());
  Object.assign(seat.server, { inFlight: 0 });
  Object.assign(seat.server.spec, { weight: 1 });
  answer(200);
  const before = latency();
  for (let i = 0; i < 50; i++) answer(508, { 'proxy-status': 'sluice; error=proxy_loop_detected' });
  assert.ok(latency() <= before, `${latency()} ${before}`);
  answer(429);
  assert.ok(latency() > 900, 'a server that has too much counts as slow');
});
