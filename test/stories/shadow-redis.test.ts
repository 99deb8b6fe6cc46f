// Redis fails in every way while a gateway mirrors: callers notice nothing, and what became of every comparison is told exactly.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../support/programs.ts';
import { experience, FAULTS } from './redis-faults.ts';

const TRAFFIC = { perSecond: 150, quietMs: 1500, faultMs: 4000 };
/** The promise is 5 %, as test/soak/redis.soak.ts holds it; here others run beside, and a twentieth of 2 ms is less than they take. */
const RELAXED_MS = 5;

for (const [what, fault] of Object.entries(FAULTS)) {
  test(
    `with Redis ${what} no request is lost or slower, and every comparison is accounted for`,
    needs('redis-server'),
    async (t) => {
      const { before, during } = await experience(t, what, fault, TRAFFIC);
      assert.ok(during.p50 <= before.p50 * 1.05 + RELAXED_MS, `${during.p50} ms beside ${before.p50}`);
    },
  );
}
