import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../gateway/flow.ts';
import { FaultLog } from '../../../gateway/observe/fault-log.ts';
import type { Logger } from '../../../gateway/observe/log.ts';
import { until } from '../../support/until.ts';

const OUTCOME: Outcome = {
  id: 'r',
  model: 'm',
  version: 'v1',
  why: 'baseline',
  server: 's0',
  serverClass: 'cpu',
  status: 503,
  class: 'model_fault',
  firstClass: 'model_fault',
  attempts: 1,
  fault: undefined,
  latencyMs: 1,
};

function faultLog() {
  const lines: { suppressed?: number; server?: string; id?: string; words?: string }[] = [];
  const log = {
    warn: (line: (typeof lines)[number], words: string) => lines.push({ ...line, words }),
  } as unknown as Logger;
  return { faults: new FaultLog(log), lines };
}

test('of an outage the first five failures a second are logged, the others counted in one line, then it starts again', async () => {
  const { faults, lines } = faultLog();
  for (let i = 0; i < 1000; i++) faults.tell(OUTCOME);
  assert.equal(lines.length, 5);
  // The second's timer holds no process, so the test waits with one that does.
  await until(() => lines.length === 6, 'the second is over', 5000);
  assert.equal(lines[5]?.suppressed, 995);
  assert.equal(lines[5]?.id, undefined);
  faults.tell(OUTCOME);
  assert.equal(lines.length, 7);
  faults.close();
  assert.equal(lines.length, 7, 'nothing was suppressed');
});

test('each way to fail has lines of its own, and an end tells what was only counted', () => {
  const { faults, lines } = faultLog();
  for (const server of ['s0', 's1']) for (let i = 0; i < 7; i++) faults.tell({ ...OUTCOME, server });
  assert.equal(lines.length, 10);
  faults.close();
  assert.deepEqual(
    lines.slice(10).map(({ server, suppressed }) => [server, suppressed]),
    [
      ['s0', 2],
      ['s1', 2],
    ],
  );
});

test("only a gateway's 508 is called a circle, and an application's own 508 is a failure of the model", () => {
  const { faults, lines } = faultLog();
  faults.tell({ ...OUTCOME, status: 508 });
  faults.tell({ ...OUTCOME, status: 508, class: 'own_limit' });
  faults.close();
  assert.match(lines[0]?.words ?? '', /^a model failed to answer/);
  assert.match(lines[1]?.words ?? '', /^a request went in a circle/);
});
