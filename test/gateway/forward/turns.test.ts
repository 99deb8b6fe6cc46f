import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Turns } from '../../../gateway/forward/turns.ts';

/** Turns with limits in milliseconds, and which of them were reached, in order. */
function turnsOf({ serverMs = 60_000, takingMs = 60_000, silenceMs = 60_000 }) {
  const reached: string[] = [];
  const turns = new Turns({
    serverMs,
    onServerLate: () => reached.push('server'),
    takingMs,
    onTakenLate: () => reached.push('taking'),
    silenceMs,
    onSilence: () => reached.push('silence'),
  });
  return { turns, reached };
}

test('the time in which an upload is waited for is not the time of the server', async () => {
  const { turns, reached } = turnsOf({ serverMs: 100 });
  turns.arriving(true);
  await sleep(200);
  assert.deepEqual(reached, []);
  assert.ok(turns.serverMs < 50, `${turns.serverMs} ms`);
  assert.ok(turns.callerMs > 150, `${turns.callerMs} ms`);
  turns.arriving(false);
  assert.equal(turns.callerMs, 0);
  await sleep(150);
  assert.deepEqual(reached, ['server']);
  turns.end();
});

test('the time in which the server does not take what was uploaded is its own', async () => {
  const { turns, reached } = turnsOf({ serverMs: 60 });
  turns.arriving(true);
  turns.heldUp(true);
  await sleep(120);
  assert.deepEqual(reached, ['server']);
  turns.end();
});

test('an answer that waits for the caller is neither silence nor the time of the server, and has a limit', async () => {
  const { turns, reached } = turnsOf({ serverMs: 100, silenceMs: 100, takingMs: 200 });
  turns.heard();
  turns.untaken(true);
  await sleep(150);
  assert.deepEqual(reached, []);
  await sleep(100);
  assert.deepEqual(reached, ['taking']);
  turns.end();
});

test('what callers let an answer wait is added up', async () => {
  const { turns, reached } = turnsOf({ takingMs: 900 });
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(reached, []);
    turns.untaken(true);
    await sleep(320);
    turns.untaken(false);
  }
  assert.deepEqual(reached, ['taking']);
  turns.end();
});

test('silence begins anew with every piece, and after every turn of the caller', async () => {
  const { turns, reached } = turnsOf({ silenceMs: 450 });
  for (let i = 0; i < 3; i++) {
    turns.heard();
    await sleep(225);
  }
  turns.untaken(true);
  turns.untaken(false);
  await sleep(300);
  assert.deepEqual(reached, []);
  await sleep(300);
  assert.deepEqual(reached, ['silence']);
  turns.end();
});

test('once it has ended no limit is reached any more', async () => {
  const { turns, reached } = turnsOf({ serverMs: 30, silenceMs: 30 });
  turns.heard();
  turns.end();
  await sleep(80);
  assert.deepEqual(reached, []);
});
