// Streams without a gateway around them: what the answers say that callers do not see.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../../../gateway/flow.ts';
import { stream } from '../../../gateway/forward/stream.ts';
import { freePorts } from '../../support/free-ports.ts';
import { rawCaller } from '../../support/raw-caller.ts';
import { undo } from '../../support/undo.ts';
import { until } from '../../support/until.ts';
import { FACTS, placed } from './setup.ts';

/** A listener that streams whatever comes to v2 of model `m`, and the answers to it. */
async function streaming(t: TestContext, scripts: readonly (RequestListener | string)[]) {
  const { placement } = await placed(t, scripts, { ofModel: 'protocol: http\n    prefix: /app' });
  const answers: Answer[] = [];
  const server = createServer(async (request, response) => {
    const streams = { request, response, marks: {}, prefix: '', bodyLimit: 1e6, answerTimeoutMs: 1000 };
    const unbounded = { askForBody() {}, whenLate() {} };
    const facts = { ...FACTS, call: 'opaque', rawHeaders: [] } as const;
    const answer = await stream(placement, '/x', facts, { ...streams, ...unbounded }, (abandon) =>
      response.once('close', abandon),
    );
    answers.push(answer);
    if (!answer.isDelivered) response.writeHead(answer.status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, answers, placement };
}

const taking: RequestListener = (request, response) => void request.resume().on('end', () => response.end('ok'));

test('a server that is passed over because there is no connection is remembered as the first', async (t) => {
  const [port] = await freePorts(1);
  const { url, answers } = await streaming(t, [`http://127.0.0.1:${port}`, taking]);
  for (let i = 0; i < 20; i++) assert.equal((await fetch(url, { method: 'POST', body: 'x' })).status, 200);
  const repeated = answers.filter(({ attempts }) => attempts === 2);
  assert.ok(repeated.length > 0);
  for (const { class: outcome, server, firstClass, firstFault, firstServer } of repeated)
    assert.deepEqual(
      [outcome, server, firstClass, firstFault, firstServer],
      ['ok', 'c1', 'server_fault', 'unreachable', 'c0'],
    );
});

test('an answer that is streamed says whether its server was warm', async (t) => {
  const { url, answers } = await streaming(t, [taking]);
  for (let i = 0; i < 22; i++) await (await fetch(url)).text();
  assert.deepEqual(
    answers.map(({ isWarm }) => isWarm),
    [...Array(20).fill(false), true, true],
  );
});

test('a server that breaks off an upload has failed, unless its caller had it wait for longer than the timeout', async (t) => {
  for (const [afterMs, expected] of [
    [20, ['broken', 'server_fault', 1]],
    [500, ['too_slow', 'client_fault', 0]],
  ] as const) {
    const { url, answers, placement } = await streaming(t, [
      (request) => void setTimeout(() => request.socket.destroy(), afterMs),
    ]);
    const caller = await rawCaller(t, url);
    caller.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na');
    await until(() => answers.length === 1, 'an answer');
    const [answer] = answers;
    const failures = placement.seats[0]?.server.health.failuresInARow;
    assert.deepEqual([answer?.fault, answer?.class, failures], expected);
  }
});

test('what a caller takes of the time is in neither the latency of the answer nor that of its server', async (t) => {
  const { url, answers } = await streaming(t, [
    (request, response) => void request.resume().on('end', () => setTimeout(() => response.end('ok'), 100)),
  ]);
  const caller = await rawCaller(t, url);
  caller.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na');
  await sleep(400);
  caller.send('b');
  await until(() => answers.length === 1, 'an answer');
  const latencyMs = answers[0]?.latencyMs ?? 0;
  assert.equal(answers[0]?.class, 'ok');
  assert.ok(latencyMs >= 95 && latencyMs < 300, `${latencyMs} ms`);
});
