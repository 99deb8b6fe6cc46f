// The promise of the store at its real bounds: callers of a mirroring gateway beside a Redis that fails for 30 s.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { experience, FAULTS, OUT_OF_DISK } from '../stories/redis-faults.ts';
import { needs } from '../support/programs.ts';
import { CAN_MOUNT } from '../support/small-disk.ts';

const TRAFFIC = { perSecond: 200, quietMs: 15_000, faultMs: 30_000 };
const WAYS = { ...FAULTS, ...(CAN_MOUNT && { 'out of disk': OUT_OF_DISK }) };

for (const [what, fault] of Object.entries(WAYS)) {
  test(`callers notice nothing of a Redis that is ${what}`, needs('redis-server'), async (t) => {
    const { before, during, after } = await experience(t, what, fault, TRAFFIC);
    const quiet = Math.max(before.p99, after.p99); // what the machine does by itself between two runs
    assert.ok(during.p99 <= quiet + Math.max(0.05 * quiet, 1), `${during.p99} ms beside ${quiet} ms`);
  });
}
