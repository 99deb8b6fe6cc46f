// The promise of the mirror at its real bounds: callers beside a shadow in any state, within the larger of 5 % and 1 ms.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { experience, line, MOST_MEMORY, STATES } from '../stories/shadow-states.ts';

const MIB = 1024 * 1024;

for (const traffic of [
  { bytes: 1024, perSecond: 200, forMs: 15_000 },
  { bytes: MIB, perSecond: 20, forMs: 60_000 }, // a 99th percentile of 300 requests would be the third worst
]) {
  test(`callers with bodies of ${traffic.bytes} bytes notice nothing of a shadow in any state`, async (t) => {
    const first = await experience(t, 'off', traffic);
    const others = Object.keys(STATES).filter((state) => state !== 'off');
    const seen = [];
    for (const state of others) seen.push(await experience(t, state, traffic));
    const last = await experience(t, 'off', traffic);
    for (const each of [first, ...seen, last]) t.diagnostic(line(each));
    const off = Math.max(first.p99, last.p99); // what the machine does by itself between two runs
    const least = Math.min(first.memory, last.memory);
    for (const { state, p99, memory } of seen) {
      assert.ok(p99 <= off + Math.max(0.05 * off, 1), `${state}: ${p99} ms beside ${off} ms`);
      assert.ok(memory < least + MOST_MEMORY, `${state}: ${memory} MiB beside ${least} MiB`);
    }
  });
}
