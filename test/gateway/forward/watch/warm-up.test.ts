import assert from 'node:assert/strict';
import type { IncomingMessage, RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WARM_AFTER } from '../../../../gateway/forward/fleet/seat.ts';
import { WarmUp } from '../../../../gateway/forward/watch/warm-up.ts';
import { answering, type FakeServer, fakeServer, silent } from '../../../support/fake-server.ts';
import { freePorts } from '../../../support/free-ports.ts';
import { undo } from '../../../support/undo.ts';
import { until } from '../../../support/until.ts';
import { FACTS, placed } from '../setup.ts';

/** A version and what warms it up. */
async function setup(t: TestContext, scripts: Parameters<typeof placed>[1], more: Parameters<typeof placed>[2] = {}) {
  const at = await placed(t, scripts, more);
  const warmUp = new WarmUp(at.fleet);
  undo(t, () => warmUp.close());
  /** Predictions that the baseline has answered, one after another, until something holds. */
  const answerUntil = (isTrue: () => boolean, what: string) =>
    until(() => {
      warmUp.answered(FACTS, at.v1, { class: 'ok' });
      return isTrue();
    }, what);
  return { ...at, warmUp, answerUntil, wanted: { version: at.v2, answers: WARM_AFTER } };
}

test('cold servers alone get copies, one at a time, until each has answered twenty requests', async (t) => {
  let [inFlight, most] = [0, 0];
  const counting: RequestListener = (request, response) => {
    most = Math.max(most, ++inFlight);
    request.resume();
    setTimeout(() => {
      inFlight--;
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    }, 2);
  };
  const { servers, baseline, v1, warmUp, placement, answerUntil, wanted } = await setup(t, [answering({}), counting]);
  const [warm, cold] = placement.seats;
  for (let i = 0; i < WARM_AFTER; i++) warm?.ran();
  assert.equal(warmUp.isWarm(wanted), false);
  warmUp.want([wanted]);
  await answerUntil(() => warmUp.isWarm(wanted), 'a warm version');
  assert.deepEqual([cold?.answered, most], [20, 1]);
  warmUp.answered(FACTS, v1, { class: 'ok' });
  await sleep(50);
  assert.deepEqual(
    servers.map(({ seen }) => seen.length),
    [0, 20],
  );
  assert.equal(baseline.seen.length, 0);
  assert.deepEqual([placement.inFlight, cold?.server.inFlight], [0, 0]);
});

test('a copy has the body and says what it is for, and carries no credential', async (t) => {
  const bodies: string[] = [];
  const { servers, warmUp, answerUntil, wanted } = await setup(t, [
    (request, response) => {
      request.setEncoding('utf8').on('data', (piece: string) => bodies.push(piece));
      request.on('end', () => response.end('{}'));
    },
  ]);
  warmUp.want([wanted]);
  await answerUntil(() => bodies.length > 0, 'a copy');
  const { url, headers } = (servers[0] as FakeServer).seen[0] as IncomingMessage;
  assert.deepEqual([url, bodies[0]], ['/v2/models/m/infer', '{"inputs":[]}']);
  assert.deepEqual(
    [headers['x-request-id'], headers['x-sluice-shadow'], headers['content-type']],
    ['r-1', 'warm-up', 'application/json'],
  );
  assert.deepEqual([headers.authorization, headers.cookie, headers['x-tenant']], [undefined, undefined, undefined]);
});

test('nothing is copied unless it is wanted, of this model, answered well and by another version', async (t) => {
  const { servers, v1, v2, warmUp, wanted } = await setup(t, [answering({})]);
  warmUp.answered(FACTS, v1, { class: 'ok' });
  warmUp.want([wanted]);
  warmUp.answered(FACTS, v1, { class: 'client_fault' });
  warmUp.answered(FACTS, v2, { class: 'ok' });
  warmUp.answered(FACTS, { ...v1, model: 'other' }, { class: 'ok' });
  warmUp.answered({ ...FACTS, call: 'metadata' }, v1, { class: 'ok' });
  warmUp.want([]);
  warmUp.answered(FACTS, v1, { class: 'ok' });
  await sleep(50);
  assert.equal(servers[0]?.seen.length, 0);
});

test('models that may not be asked twice get no copies, and need none', async (t) => {
  const { servers, v1, warmUp, wanted } = await setup(t, [answering({})], { ofModel: 'idempotent: false' });
  assert.equal(warmUp.isWarm(wanted), true);
  warmUp.want([wanted]);
  warmUp.answered(FACTS, v1, { class: 'ok' });
  await sleep(50);
  assert.equal(servers[0]?.seen.length, 0);
});

test('a call that the servers do not speak is not copied to them', async (t) => {
  const { servers, v1, warmUp, wanted } = await setup(t, [answering({})], { ofServers: ', kind: triton' });
  warmUp.want([wanted]);
  warmUp.answered({ ...FACTS, call: 'predict' }, v1, { class: 'ok' });
  await sleep(50);
  assert.equal(servers[0]?.seen.length, 0);
});

test('at most four copies of a version are in flight, however many servers are cold', async (t) => {
  const { servers, v1, warmUp, placement, wanted } = await setup(t, Array(6).fill(silent));
  warmUp.want([wanted]);
  for (let i = 0; i < 20; i++) warmUp.answered(FACTS, v1, { class: 'ok' });
  const seen = () => servers.reduce((sum, server) => sum + server.seen.length, 0);
  await until(() => seen() === 4, 'four copies');
  await sleep(50);
  assert.equal(seen(), 4);
  const start = performance.now();
  await warmUp.close();
  assert.ok(performance.now() - start < 1000, 'the end waits for no silent server');
  assert.deepEqual(
    placement.seats.map(({ server }) => [server.inFlight, server.health.failuresInARow]),
    Array(6).fill([0, 0]),
  );
});

test('a cold server may take longer than callers would wait, and is not ejected for it', async (t) => {
  const { v1, warmUp, placement, wanted } = await setup(t, [
    (request, response) => void setTimeout(() => answering({})(request, response), 600),
  ]);
  warmUp.want([wanted]);
  warmUp.answered(FACTS, v1, { class: 'ok' });
  const [seat] = placement.seats;
  await until(() => seat?.answered === 1, 'an answer after twice the timeout');
  assert.equal(seat?.server.health.failuresInARow, 0);
});

test('a server that answers no copy well gets a hundred of them and is waited for no longer', async (t) => {
  const { servers, v1, warmUp, answerUntil, wanted } = await setup(t, [answering({ error: 'no such input' }, 400)]);
  warmUp.want([wanted]);
  await answerUntil(() => warmUp.isWarm(wanted), 'the end of the copies');
  warmUp.answered(FACTS, v1, { class: 'ok' });
  await sleep(50);
  assert.equal(servers[0]?.seen.length, 100);
});

test('a server that is not there yet is tried again, and warmed once it is', async (t) => {
  const [port] = await freePorts(1);
  const { warmUp, placement, answerUntil, wanted } = await setup(t, [`http://127.0.0.1:${port}`]);
  const [seat] = placement.seats;
  warmUp.want([wanted]);
  await answerUntil(() => seat?.server.health.standing(performance.now()) === 'ejected', 'three failures');
  assert.equal(warmUp.isWarm(wanted), false);
  const { seen } = await fakeServer(t, answering({}), undefined, { host: '127.0.0.1', port: Number(port) });
  await answerUntil(() => warmUp.isWarm(wanted), 'a warm version');
  assert.equal(seen.length, 20);
});

test('a server that was away is warmed again', async (t) => {
  const { warmUp, placement, answerUntil, wanted } = await setup(t, [answering({})]);
  warmUp.want([wanted]);
  await answerUntil(() => warmUp.isWarm(wanted), 'a warm version');
  const [seat] = placement.seats;
  seat?.noteReady(false, performance.now());
  assert.equal(warmUp.isWarm(wanted), false, 'no server is well');
  seat?.noteReady(true, performance.now());
  assert.equal(warmUp.isWarm(wanted), false, 'it is cold');
  await answerUntil(() => warmUp.isWarm(wanted), 'a warm version again');
});
