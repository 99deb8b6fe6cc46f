import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { type Drop, type Ending, type Job, MirrorLane } from '../../../../gateway/forward/mirror/mirror-lane.ts';

const BUDGET = { bytes: 1000, concurrency: 2, ageMs: 50 };

/** A job whose end the test decides. */
function job(bytes = 1, at = performance.now()): Job & { end: (how: Ending) => void; hasRun: () => boolean } {
  let end: (how: Ending) => void = () => {};
  let hasRun = false;
  const ended = new Promise<Ending>((resolve) => {
    end = resolve;
  });
  return {
    bytes,
    at,
    run: () => {
      hasRun = true;
      return ended;
    },
    end,
    hasRun: () => hasRun,
  };
}

function assertBalanced(lane: MirrorLane): void {
  const { offered, sent, waiting, inFlight, answered, failed, timed_out, dropped } = lane.counts();
  const lost = Object.values(dropped).reduce((sum, each) => sum + each, 0);
  assert.equal(offered, sent + lost + waiting);
  assert.equal(sent, answered + failed + timed_out + inFlight);
}

test('a copy starts in a later turn, and no more at one time than the budget has places', async () => {
  const lane = new MirrorLane(BUDGET);
  const jobs = [job(), job(), job()];
  for (const each of jobs) lane.offer(each);
  assert.deepEqual(
    jobs.map((each) => each.hasRun()),
    [false, false, false],
  );
  await turn();
  assert.deepEqual(
    jobs.map((each) => each.hasRun()),
    [true, true, false],
  );
  jobs[0]?.end('answered');
  await turn();
  await turn();
  assert.deepEqual(
    jobs.map((each) => each.hasRun()),
    [true, true, true],
  );
  assertBalanced(lane);
});

test('beyond the bytes the oldest go, and what is in flight counts too', async () => {
  const lane = new MirrorLane({ ...BUDGET, concurrency: 1 });
  const [first, second, third, large] = [job(400), job(400), job(400), job(2000)];
  lane.offer(first);
  await turn();
  lane.offer(second);
  lane.offer(third); // 1,200 bytes: the second goes, for the first is on its way
  assert.equal(lane.counts().dropped.bytes, 1);
  lane.offer(large); // fits with nothing: everything that waits goes, itself last
  assert.deepEqual([lane.counts().dropped.bytes, lane.counts().waiting], [3, 0]);
  first.end('answered');
  await turn();
  await turn();
  assert.deepEqual([second.hasRun(), third.hasRun(), large.hasRun()], [false, false, false]);
  assertBalanced(lane);
});

test('what waited too long is dropped, by a sweep or when its turn comes', async () => {
  const lane = new MirrorLane(BUDGET);
  lane.offer(job(1, performance.now() - 51));
  await turn();
  assert.equal(lane.counts().dropped.age, 1);
  const [a, b, old] = [job(), job(), job()];
  for (const each of [a, b, old]) lane.offer(each);
  await turn();
  lane.sweep(old.at + 51);
  assert.equal(lane.counts().dropped.age, 2);
  assertBalanced(lane);
});

test('whatever happens in whatever order, every copy is accounted for exactly', async () => {
  const step = fc.oneof(
    fc.record({ does: fc.constant('offer' as const), bytes: fc.integer({ min: 0, max: 600 }) }),
    fc.record({ does: fc.constant('refuse' as const), why: fc.constantFrom<Drop>('shed', 'client_left', 'overload') }),
    fc.record({ does: fc.constant('end' as const), how: fc.constantFrom<Ending>('answered', 'failed', 'timed_out') }),
    fc.record({ does: fc.constantFrom('turn' as const, 'pause' as const, 'resume' as const, 'sweep' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const lane = new MirrorLane(BUDGET);
      const jobs: ReturnType<typeof job>[] = [];
      for (const each of steps) {
        if (each.does === 'offer') {
          const made = job(each.bytes);
          jobs.push(made);
          lane.offer(made);
        } else if (each.does === 'refuse') lane.refuse(each.why);
        else if (each.does === 'end') jobs.find((made) => made.hasRun())?.end(each.how);
        else if (each.does === 'turn') await turn();
        else if (each.does === 'sweep') lane.sweep(performance.now() + 100);
        else lane.isPaused = each.does === 'pause';
        assertBalanced(lane);
        assert.ok(lane.counts().inFlight <= BUDGET.concurrency);
      }
    }),
    { numRuns: 500 },
  );
});
