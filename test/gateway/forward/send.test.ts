import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { WARM_AFTER } from '../../../gateway/forward/fleet/seat.ts';
import { answering, silent } from '../../support/fake-server.ts';
import { placed } from './setup.ts';

test('an answer says who was asked first, what came of that, and whether that server was warm', async (t) => {
  const { placement, ask } = await placed(t, [answering({})], { ofServers: ', class: gpu' });
  for (let i = 0; i < WARM_AFTER; i++) assert.equal((await ask()).isWarm, false);
  const { isWarm, firstFault, firstServer, firstServerClass } = await ask();
  assert.deepEqual([isWarm, firstFault, firstServer, firstServerClass], [true, undefined, 'c0', 'gpu']);
  placement.inFlight = placement.version.maxInFlight;
  const shed = await ask();
  assert.deepEqual(
    [shed.firstClass, shed.firstFault, shed.firstServer, shed.isWarm],
    ['shed', 'shed', undefined, false],
  );
});

test('a retry that goes well leaves the fault of the first attempt to be seen, with the server that it was of', async (t) => {
  const { ask } = await placed(t, [(request) => void request.socket.destroy(), answering({})]);
  const answers = [];
  for (let i = 0; i < 12; i++) answers.push(await ask());
  const repeated = answers.filter(({ attempts }) => attempts > 1);
  assert.ok(repeated.length > 0);
  for (const { status, firstClass, firstFault, firstServer } of repeated)
    assert.deepEqual([status, firstClass, firstFault, firstServer], [200, 'server_fault', 'broken', 'c0']);
});

for (const [what, status, expected] of [
  ['answers stands for the first attempt', 500, ['c1', 2, 'model_fault', undefined]],
  ['has no answer leaves the first attempt to be judged', 503, ['c0', 2, 'model_fault', 'deadline']],
] as const)
  test(`a hedge that ${what}, with the server that it was of`, async (t) => {
    const failing: RequestListener = (_request, response) => void response.writeHead(status).end('no');
    const { ask, placement } = await placed(t, [silent, failing], { ofModel: 'hedge_after: 50ms' });
    placement.seats[1]?.took(5000, performance.now()); // so that the silent one is asked first
    const { firstClass, firstFault, firstServer, attempts } = await ask();
    assert.deepEqual([firstServer, attempts, firstClass, firstFault], expected);
  });
