// Counts of several gateways, added up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Replicas } from '../../../gateway/conduct/replicas.ts';
import { StoreUnavailable } from '../../../gateway/errors.ts';
import { countsOf, tallyOf } from '../../../gateway/judge/evidence/shared-tally.ts';
import { emptyTally, GROUPS, type Hit, isSound, type Tally } from '../../../gateway/judge/evidence/tally.ts';
import type { OutcomeWindows, VersionCounts } from '../../../gateway/store/store.ts';
import { answering, fakeServer } from '../../support/fake-server.ts';
import { gateway, gatewayOf, infer, policyFile } from '../../support/gateway.ts';
import { needs } from '../../support/programs.ts';
import { redisServer } from '../../support/redis.ts';
import { standingOf } from '../../support/standing.ts';
import { until } from '../../support/until.ts';
import { randomFrom } from '../decide/setup.ts';

let nextUnit = 1;

function rethrow(error: unknown): never {
  throw error;
}

function tally(ok: number, failed: number, more: Partial<Tally> = {}): Tally {
  const empty = emptyTally();
  const spread = (count: number) => Array.from({ length: GROUPS }, (_, i) => (i < count ? 1 : 0));
  const hits = Array.from({ length: failed }, () => hit(nextUnit++, { isError: true, latencyMs: 0 }));
  return {
    ...empty,
    outcomes: { ...empty.outcomes, ok, model_fault: failed },
    judged: { trials: ok + failed, hits: failed },
    timed: { cpu: ok, gpu: 0 },
    groups: ok + failed === 0 ? empty.groups : { requests: spread(ok + failed), failed: spread(failed) },
    hits,
    ...more,
  };
}

function hit(unit: number, more: Partial<Hit> = {}): Hit {
  return { unit, isError: false, latencyMs: 123, serverClass: 'cpu', ...more };
}

const there = (one: Tally) => tallyOf(countsOf({ candidate: one, baseline: emptyTally() }).candidate);

/** What several replicas share, in memory; `isAway` refuses. */
class Shared {
  isAway = false;
  readonly #fields = new Map<string, VersionCounts>();

  of(replica: string): OutcomeWindows {
    return {
      put: (id, second, counts) => void this.#fields.set(`${id} ${second} ${replica}`, counts),
      read: async (id, from, to) => {
        if (this.isAway) throw new StoreUnavailable('away');
        return Array.from({ length: to - from }, (_, i) => from + i).map((second) => ({
          second,
          counts: this.#sum(`${id} ${second} `),
        }));
      },
    };
  }

  #sum(prefix: string): VersionCounts {
    const sum: Record<string, Record<string, number>> = {};
    for (const [key, counts] of this.#fields)
      if (key.startsWith(prefix))
        for (const [arm, names] of Object.entries(counts))
          for (const [name, count] of Object.entries(names)) {
            sum[arm] ??= {};
            sum[arm][name] = (sum[arm][name] ?? 0) + count;
          }
    return sum;
  }
}

test('a tally goes to counts and back: outcomes, groups, and who was hit where', () => {
  const one = tally(7, 2, {
    hits: [hit(2 ** 47 + 1), hit(5, { isError: true, serverClass: 'gpu', latencyMs: 0 })],
  });
  const back = there(one);
  const { histograms: _, examples: __, ...wanted } = one;
  const { histograms, examples, ...got } = back;
  assert.deepEqual(got, wanted);
  assert.deepEqual(there(emptyTally()), emptyTally());
});

test('a unit that is hit twice alike in a second is shared once, and a latency to three digits', () => {
  const one = hit(9, { isError: true, latencyMs: 0 });
  assert.deepEqual(there(tally(0, 2, { hits: [one, one] })).hits, [one]);
  assert.deepEqual(there(tally(1, 0, { hits: [hit(9, { latencyMs: 1234.5 })] })).hits, [hit(9, { latencyMs: 1230 })]);
});

test('of very many hits those of the same units are shared in both arms, and slow answers push out no failure', () => {
  const random = randomFrom(1);
  const unit = () => Math.floor(random() * 2 ** 48);
  const failed = Array.from({ length: 150 }, () => hit(unit(), { isError: true }));
  const arm = (count: number) => Array.from({ length: count }, () => hit(unit()));
  const counts = countsOf({
    candidate: tally(0, 0, { hits: [...arm(1000), ...failed] }),
    baseline: tally(0, 0, { hits: arm(3000) }),
  });
  const [mine, theirs] = [tallyOf(counts.candidate).hits, tallyOf(counts.baseline).hits];
  assert.equal(mine.filter(({ isError }) => isError).length, 150);
  const slow = mine.filter(({ isError }) => !isError);
  assert.ok(slow.length + theirs.length > 60 && slow.length + theirs.length < 140, `${slow.length + theirs.length}`);
  assert.ok(Math.max(...[...slow, ...theirs].map((each) => each.unit)) < 2 ** 48 / 40);
});

test('counts that someone wrote wrongly are left out', () => {
  const wrong = { 'hit/zz!/failed': 1, 'hit/': 1, 'hit/1/failed/x/cpu/s': 1, 'hit/1/failed/0/cpu/s': 1, nonsense: 3 };
  assert.deepEqual(tallyOf(wrong).hits, [hit(1, { isError: true, latencyMs: 0 })]);
  assert.ok(isSound(tallyOf(wrong)));
});

test('each gateway judges by its own counts at once, and by those of the others once, a little later', async () => {
  const shared = new Shared();
  let now = 1_000_000;
  const [a, b] = [new Replicas(shared.of('a'), () => now, rethrow), new Replicas(shared.of('b'), () => now, rethrow)];
  let seenByA = 0;
  let own = 0;
  let hitsOfA = 0;
  for (let second = 0; second < 20; second++) {
    const isQuiet = second >= 12;
    const traffic = {
      candidate: tally(isQuiet ? 0 : 10, isQuiet ? 0 : 1),
      baseline: tally(isQuiet ? 0 : 90, 0),
      coin: 0.1,
    };
    if (second === 5) shared.isAway = true;
    if (second === 9) shared.isAway = false;
    const judged = a.addOthers('r/1', traffic);
    b.addOthers('r/1', traffic);
    seenByA += judged.candidate.outcomes.ok;
    hitsOfA += judged.candidate.hits.length;
    own += traffic.candidate.outcomes.ok;
    assert.equal(judged.coin, 0.1);
    assert.ok(judged.candidate.outcomes.ok >= traffic.candidate.outcomes.ok);
    now += 1000;
    await turn();
    await turn();
  }
  assert.equal(own, 120);
  assert.equal(seenByA, 240, 'its own, and all of the other, also what was counted while the store was away');
  assert.equal(hitsOfA, 24, 'and who was hit');
});

test('a shared clock that is set back, by an hour or by seconds, hides no one and counts no one twice', async () => {
  const shared = new Shared();
  const start = 10_000_000;
  let [nowOfA, nowOfB] = [start + 37 * 60_000, start];
  const a = new Replicas(shared.of('a'), () => nowOfA, rethrow);
  const b = new Replicas(shared.of('b'), () => nowOfB, rethrow);
  const traffic = { candidate: tally(10, 1), baseline: tally(90, 0), coin: 0.1 };
  const heard: number[] = [];
  for (let second = 0; second < 30; second++) {
    if (second === 5) nowOfA = nowOfB; // it is measured only now
    if (second === 15) nowOfA = nowOfB -= 6000; // Redis's clock is set
    heard.push(a.addOthers('r/1', traffic).candidate.outcomes.ok - 10);
    b.addOthers('r/1', second < 25 ? traffic : { ...traffic, candidate: tally(0, 0) });
    nowOfA += 1000;
    nowOfB += 1000;
    await turn();
    await turn();
  }
  assert.ok(
    heard.slice(8, 15).every((count) => count > 0),
    `2 s after the clock was measured: ${heard}`,
  );
  assert.ok(
    heard.slice(24, 28).some((count) => count > 0),
    `after it was set back: ${heard}`,
  );
  const all = heard.reduce((sum, count) => sum + count, 0);
  assert.ok(all <= 250 && all >= 250 - 5 * 10, `of 250 that the other counted, ${all}: ${heard}`);
});

test(
  'two gateways that have half of the requests each go on as one that has them all',
  needs('redis-server'),
  async (t) => {
    const redis = await redisServer(t);
    const server = await fakeServer(t, answering({ outputs: [] }));
    const policy = `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: random, steps: [50% for 1s, 60%], min_requests: 60, rollback: {} }
`;
    const settings = { redisUrl: redis.url };
    const one = await gateway(t, policy, settings);
    const other = await gatewayOf(t, policyFile(t, policy), settings);
    await until(async () => (await standingOf(other.adminUrl))?.phase === 'step 1', 'the first step');
    const send = async (url: string) => {
      let candidates = 0;
      while (candidates < 40) {
        const answer = await infer(url);
        await answer.arrayBuffer();
        if (answer.headers.get('x-sluice-version') === 'v2') candidates++;
      }
    };
    await Promise.all([send(one.url), send(other.url)]); // 40 each: neither alone has the 60 that the step asks for
    for (const each of [one, other])
      await until(async () => (await standingOf(each.adminUrl))?.phase === 'step 2', 'the second step');
  },
);

test(
  'a shadow that is paused at one gateway is paused at the other within a second or two, and after a restart',
  needs('redis-server'),
  async (t) => {
    const redis = await redisServer(t);
    const server = await fakeServer(t, answering({ outputs: [] }));
    const policy = `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    shadow: [{ version: v2, sample: 100% }]
`;
    const open = () => gateway(t, policy, { redisUrl: redis.url });
    const [one, other] = [await open(), await open()];
    const isPausedAt = async ({ adminUrl }: { readonly adminUrl: string }) => {
      const { models } = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
        models: { m: { shadows: { isPaused: boolean }[] } };
      };
      return models.m.shadows[0]?.isPaused === true;
    };
    const order = async ({ adminUrl }: { readonly adminUrl: string }, action: string) =>
      (
        await fetch(`${adminUrl}/api/models/m/shadows/v2/${action}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ reason: 'too dear' }),
        })
      ).json();
    assert.deepEqual(await order(one, 'pause'), { model: 'm', shadow: 'v2', isPaused: true, shared: true });
    const start = performance.now();
    await until(async () => isPausedAt(other), 'the pause at the other');
    t.diagnostic(`paused at the other after ${(performance.now() - start).toFixed(0)} ms`);
    const third = await open();
    await until(async () => isPausedAt(third), 'the pause at one that starts now');
    await order(other, 'resume');
    for (const each of [one, third]) await until(async () => !(await isPausedAt(each)), 'the resumption');
  },
);

test(
  'a rollback at one gateway is in force at the other long before its next look, also after an idle time',
  needs('redis-server'),
  async (t) => {
    const redis = await redisServer(t);
    const server = await fakeServer(t, answering({ outputs: [] }));
    const names = Array.from({ length: 7 }, (_, i) => `m${i}`);
    const model = (name: string) =>
      `  ${name}: { timeout: 1s, versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }, baseline: v1, rollout: { id: r-${name}, candidate: v2, unit: random, steps: [100%], rollback: {} } }`;
    const policy = `apiVersion: sluice/v1\nfleet: { s: { url: "${server.url}" } }\nmodels:\n${names.map(model).join('\n')}\n`;
    const settings = { redisUrl: redis.url };
    const one = await gateway(t, policy, settings);
    const other = await gatewayOf(t, policyFile(t, policy), settings);
    const versionAt = async (url: string, name: string) => {
      const answer = await infer(url, {}, name);
      await answer.arrayBuffer();
      return answer.headers.get('x-sluice-version');
    };
    for (const name of names) await until(async () => (await versionAt(other.url, name)) === 'v2', 'the candidate');
    await sleep(3000); // longer than a silent connection may be
    const took: number[] = [];
    for (const name of names) {
      const ordered = await fetch(`${one.adminUrl}/api/models/${name}/rollout/rollback`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'test', by: 'ada' }),
      });
      assert.equal(ordered.status, 200);
      const start = performance.now();
      await until(async () => (await versionAt(other.url, name)) === 'v1', 'the baseline');
      took.push(performance.now() - start);
    }
    took.sort((a, b) => a - b);
    t.diagnostic(`in force after ${took.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    // Looking once a second alone would take half a second in the middle.
    assert.ok((took[3] ?? 1000) < 250, String(took));
  },
);
