// The simulated world against what its specification says to expect.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantileOf, sizeOf } from '../../../gateway/judge/evidence/histogram.ts';
import {
  addTallies,
  emptyTally,
  groupOf,
  type Hit,
  type Tally,
  type Traffic,
} from '../../../gateway/judge/evidence/tally.ts';
import { poisson, probit, randomFrom, tailOf, Weighted } from './random.ts';
import { BAD_ROWS, ROWS } from './rows.ts';
import { faultsIn } from './servers.ts';
import { type Block, createWorld, type World, type WorldSpec } from './world.ts';

const BLOCK = { from: 0, to: 50_000 };
const PLAIN: WorldSpec = { rate: 100, callers: { count: 2000 } };
const EXACT = 0; // of `near`: what floats leave

test('the same seed gives the same traffic, another one does not', () => {
  const spec = { ...PLAIN, retries: { mean: 3 }, latency: { between: 0.5 } };
  const of = (seed: number) => JSON.stringify(seconds(createWorld(spec, seed), 0, 20, { slowFromMs: 40 }));
  assert.equal(of(1), of(1));
  assert.notEqual(of(1), of(2));
});

test('rates, shares and errors are as specified', () => {
  for (const callers of ['random', { count: 2000 }, { count: 2000, activity: 'zipf' }] as const) {
    const runs = Array.from({ length: 25 }, (_, seed) => run({ ...PLAIN, callers }, 60, { seed, share: 0.2 }));
    const all = sum(runs.map(({ candidate, baseline }) => trials(candidate) + trials(baseline)));
    near(all / runs.length / 60, 100, 0.01, 'requests a second');
    const mine = sum(runs.map(({ candidate }) => trials(candidate)));
    near(mine / all, 0.2, callers === 'random' ? 0.02 : 0.2, 'share');
    const failed = sum(runs.map(({ candidate, baseline }) => candidate.judged.hits + baseline.judged.hits));
    near(failed / all, 0.005, 0.12, 'errors');
  }
});

test('the coin is candidate / (candidate + baseline), and 0 when nobody has the candidate', () => {
  const world = createWorld({ ...PLAIN, gateways: { count: 3 }, other: { from: 600_000, to: 1_000_000 } }, 1);
  const blocks = [
    { from: 0, to: 400_000 },
    { from: 0, to: 600_000 },
    { from: 5, to: 5 },
  ];
  const [two, whole, none] = world.second({ at: 0, blocks });
  near(two?.coin, 2 / 3, EXACT, 'two candidates');
  near(whole?.coin, 1, EXACT, 'no baseline');
  assert.equal(none?.coin, 0);
  assert.equal(none?.candidate.judged.trials, 0);
  assert.equal(whole?.baseline.judged.trials, 0);
});

test('sums agree with each other', () => {
  const { candidate, baseline } = run({ ...PLAIN, errors: { base: 0.1 } }, 100, { slowFromMs: 40 });
  for (const tally of [candidate, baseline]) {
    const { judged, timed, groups, hits, outcomes } = tally;
    assert.equal(sum(groups.requests), judged.trials);
    assert.equal(sum(groups.failed), judged.hits);
    assert.equal(outcomes.ok + outcomes.model_fault, judged.trials);
    assert.equal(hits.filter(({ isError }) => isError).length, judged.hits);
    assert.equal(timed.cpu, outcomes.ok);
    for (const group of new Set(hits.map(({ unit }) => groupOf(unit)))) {
      const failed = hits.filter(({ unit, isError }) => isError && groupOf(unit) === group);
      assert.equal(groups.failed[group] ?? 0, failed.length);
    }
  }
  assert.equal(sizeOf(baseline.histograms.cpu), baseline.timed.cpu);
});

test('callers keep their slots: whoever is in the block is answered by the candidate', () => {
  const world = createWorld({ ...PLAIN, errors: { base: 0.5 } }, 3);
  const first = total(seconds(world, 0, 60, { share: 0.5 }));
  const second = total(seconds(world, 60, 60, { block: { from: 500_000, to: 1_000_000 } }));
  assert.deepEqual(common(first.candidate.hits, first.baseline.hits), 0);
  assert.deepEqual(common(first.candidate.hits, second.candidate.hits), 0);
  assert.ok(common(first.candidate.hits, second.baseline.hits) > 500);
});

test('callers of another candidate are in neither arm', () => {
  const spec = { ...PLAIN, errors: { base: 1 }, other: { from: 600_000, to: 1_000_000 } };
  const { candidate, baseline } = run(spec, 50, { share: 0.4, seed: 5 });
  near(trials(candidate) + trials(baseline), 100 * 50 * 0.6, 0.08, 'requests');
  near(trials(candidate) / (trials(candidate) + trials(baseline)), 2 / 3, 0.08, 'share');
});

test('some callers fail more than others', () => {
  const always = run({ ...PLAIN, errors: { base: 0, some: [{ count: 3, p: 1 }] } }, 200, { share: 0.5 });
  const failing = [...always.candidate.hits, ...always.baseline.hits];
  assert.equal(new Set(failing.map(({ unit }) => unit)).size, 3);
  near(failing.length, (3 / 2000) * 100 * 200, 0.5, 'failures of three');
  const some = [0, 1, 2, 3].map((seed) =>
    run({ ...PLAIN, errors: { some: [{ part: 0.02, p: 0.25 }] } }, 200, { seed }),
  );
  near(errorPart(some.map(({ baseline }) => baseline)), 0.01, 0.1, '.5 % and a quarter of 2 %');
  const spread = [0, 1, 2, 3].map((seed) => run({ ...PLAIN, errors: { sigma: 1 } }, 200, { seed }));
  near(errorPart(spread.map(({ baseline }) => baseline)), 0.005, 0.15, 'log-normal rates have the same mean');
});

test('a heavy caller has its part of the requests, at its slot', () => {
  const callers = { count: 2000, activity: { heavy: 0.3 }, slots: [25_000] };
  const { candidate, baseline } = run({ ...PLAIN, callers }, 100);
  near(trials(candidate) / (trials(candidate) + trials(baseline)), 0.3 + 0.7 * 0.05, 0.1, 'share');
});

test('slow answers are told one by one, as many as there should be', () => {
  for (const between of [0, 0.5]) {
    const spec = { ...PLAIN, latency: { medianMs: 20, sigma: 0.6, between } };
    const { baseline } = run(spec, 300, { slowFromMs: 60 });
    const expected = tailOf(Math.log(3) / Math.hypot(0.6, between));
    const slow = baseline.hits.filter(({ isError }) => !isError);
    near(slow.length / baseline.timed.cpu, expected, 0.12, `slow answers, ${between} between callers`);
    assert.ok(slow.every(({ latencyMs }) => latencyMs > 60 && latencyMs < 1000));
    near(quantileOf(baseline.histograms.cpu, 0.5), 20, 0.06, 'median');
    near(quantileOf(baseline.histograms.cpu, 1 - expected), 60, 0.06, 'the edge as a quantile');
  }
});

test('a candidate is worse and slower from a second on', () => {
  const spec = { ...PLAIN, candidate: { errors: 0.2, slower: 2, when: 100 } };
  const world = createWorld(spec, 1);
  const before = total(seconds(world, 0, 100, { share: 0.5, slowFromMs: 40 }));
  const after = total(seconds(world, 100, 100, { share: 0.5, slowFromMs: 40 }));
  near(errorPart([before.candidate]), 0.005, 0.5, 'errors before');
  near(errorPart([after.candidate]), 0.204, 0.1, 'errors after');
  near(errorPart([after.baseline]), 0.005, 0.5, 'errors of the baseline');
  near(slowPart(before.candidate), tailOf(Math.log(2) / 0.6), 0.1, 'slow before');
  near(slowPart(after.candidate), 0.5, 0.1, 'slow after');
});

test('a cold start makes the first answers slow, and a warm-up leaves the first 20 out', () => {
  const of = (isTimedWarm: boolean) =>
    run({ ...PLAIN, candidate: { cold: { answers: 5, times: 20, isTimedWarm } } }, 30, { share: 0.5, slowFromMs: 140 });
  assert.ok(of(false).candidate.hits.filter(({ isError }) => !isError).length >= 3);
  const warm = of(true).candidate;
  assert.equal(warm.outcomes.ok + warm.outcomes.model_fault, warm.judged.trials);
  near(warm.outcomes.ok - warm.timed.cpu, 20, 0.06, 'answers whose latency does not count');
});

test('retries come within three seconds, fail again and are spread over gateways', () => {
  const spec = { ...PLAIN, retries: { mean: 10 }, gateways: { count: 10 } };
  const runs = seconds(createWorld(spec, 1), 0, 300, { gateways: 10 });
  const failed = sum(runs.map(({ baseline, candidate }) => baseline.judged.hits + candidate.judged.hits));
  near(failed / (100 * 300 * 0.005), 10, 0.2, 'failures of each that fails');
  const world = createWorld({ ...PLAIN, errors: { base: 0 }, retries: { mean: 10 }, candidate: { errors: 1 } }, 1);
  assert.ok(total(seconds(world, 0, 10)).candidate.judged.hits > 300);
  const away = total(seconds(world, 10, 5, { block: { from: 0, to: 0 } }));
  assert.ok(away.candidate.judged.trials < 10, 'only what was under way ends on the candidate');
  assert.equal(away.baseline.judged.hits, 0);
  assert.ok(trials(away.baseline) > 600, 'what failed on the candidate alone does not fail on the baseline');
});

test('requests wait for the end of a pause, up to the timeout', () => {
  const spec: WorldSpec = {
    ...PLAIN,
    errors: { base: 0 },
    servers: {
      pools: { candidate: 1, baseline: 4 },
      events: [
        { kind: 'freeze', at: 10.25, lengthS: 0.5, server: 'c1' },
        { kind: 'freeze', at: 20, lengthS: 5, server: 'b2' },
      ],
    },
  };
  const world = createWorld(spec, 1);
  seconds(world, 0, 10, { share: 0.5 });
  const short = total(seconds(world, 10, 10, { share: 0.5, slowFromMs: 200 }));
  near(short.candidate.hits.length, 50 * 0.3, 0.5, 'requests that wait more than 200 ms');
  assert.ok(short.candidate.hits.every(({ latencyMs, isError }) => latencyMs > 200 && latencyMs < 800 && !isError));
  assert.equal(short.baseline.hits.length, 0);
  const long = total(seconds(world, 20, 10, { share: 0.5, slowFromMs: 200 }));
  assert.equal(long.candidate.hits.length, 0);
  const timeouts = long.baseline.hits.filter(({ isError }) => isError);
  near(timeouts.length, (50 / 4) * 4, 0.4, 'requests that wait for a second');
  assert.ok(timeouts.every(({ latencyMs }) => latencyMs === 1000));
});

test('servers pause as often as they should', () => {
  const pools = { candidate: 3, baseline: 1 };
  const day = 86_400;
  near(faultsIn({ pools, pauses: [{ lengthS: 1, everyS: 120 }] }, 1, day), (3 * day) / 120, 0.07, 'at random');
  near(
    faultsIn({ pools, pauses: [{ lengthS: 1, everyS: 120, isRegular: true }] }, 1, day),
    (3 * day) / 120,
    EXACT,
    'regular',
  );
  const spec: WorldSpec = { ...PLAIN, servers: { pools, pauses: [{ lengthS: 2, everyS: 20 }] }, errors: { base: 0 } };
  const { candidate } = run(spec, 1000, { share: 0.5 });
  near(errorPart([candidate]), 0.05, 0.3, 'half of those that come in a pause of 2 s wait for a second');
});

test('a restart is a server fault and no hit; an outage fails on both sides', () => {
  const events = [
    { kind: 'down', at: 5, lengthS: 1.5, server: 'c1' },
    { kind: 'fail', at: 20, lengthS: 5, part: 0.4 },
  ] as const;
  const world = createWorld({ ...PLAIN, servers: { pools: { candidate: 1, baseline: 1 }, events } }, 1);
  const restart = total(seconds(world, 0, 20, { share: 0.5 }));
  near(restart.candidate.outcomes.server_fault, 75, 0.3, 'server faults');
  assert.equal(restart.baseline.outcomes.server_fault, 0);
  assert.ok(restart.candidate.judged.hits < 15);
  const outage = total(seconds(world, 20, 5, { share: 0.5 }));
  near(errorPart([outage.candidate]), 0.4, 0.2, 'candidate');
  near(errorPart([outage.baseline]), 0.4, 0.2, 'baseline');
});

test('there are silences and cycles', () => {
  const silent = run({ ...PLAIN, silences: [{ from: 0, to: 50 }] }, 100);
  near(trials(silent.candidate) + trials(silent.baseline), 5000, 0.05, 'after a silence');
  const world = createWorld({ ...PLAIN, cycle: { periodS: 400, depth: 0.8 } }, 1);
  const quarters = [0, 100, 200, 300].map((at) => trials(total(seconds(world, at, 100)).baseline));
  near(sum(quarters), 40_000 * 0.95, 0.04, 'over the whole cycle');
  assert.ok(Math.max(...quarters) > 1.5 * Math.min(...quarters));
});

test('a mix that shifts changes who asks, not how much', () => {
  const shift = { periodS: 200, depth: 2, everyS: 10 };
  const spec = { ...PLAIN, callers: { count: 20, shift }, errors: { base: 1 } };
  const world = createWorld(spec, 1);
  const [early, late] = [total(seconds(world, 0, 10)), total(seconds(world, 100, 10))];
  near(trials(early.baseline) + trials(early.candidate), 1000, 0.1, 'requests');
  const [before, after] = [early, late].map(({ baseline }) => countBy(baseline.hits));
  const changed = [...(before ?? [])].filter(([unit, count]) => Math.abs(count - (after?.get(unit) ?? 0)) > 30);
  assert.ok(changed.length > 3, `${changed.length} callers changed`);
});

test('callers go to any gateway, or keep to one', () => {
  for (const isSticky of [false, true]) {
    const world = createWorld(
      { ...PLAIN, callers: { count: 300 }, errors: { base: 1 }, gateways: { count: 3, isSticky } },
      1,
    );
    const all = Array.from({ length: 60 }, (_, at) => world.second({ at, blocks: [BLOCK, BLOCK, BLOCK] }));
    const [first, second, third] = [0, 1, 2].map((i) => total(all.flatMap((each) => each.slice(i, i + 1))).baseline);
    near(sum([first, second, third].map((tally) => trials(tally ?? emptyTally()))), 60 * 95, 0.05, 'requests');
    const met = common(first?.hits ?? [], second?.hits ?? []);
    assert.ok(isSticky ? met === 0 : met > 200, `${met} callers at two gateways`);
  }
});

test('draws have their means and spreads', () => {
  const random = randomFrom(1);
  for (const mean of [0.5, 3, 29, 31, 95, 2000]) {
    const drawn = Array.from({ length: 20_000 }, () => poisson(mean, random));
    const found = sum(drawn) / drawn.length;
    near(found, mean, 0.03, `mean of ${mean}`);
    near(sum(drawn.map((each) => (each - found) ** 2)) / drawn.length, mean, 0.05, `variance of ${mean}`);
  }
  const weighted = new Weighted([1, 0, 3]);
  const drawn = Array.from({ length: 20_000 }, () => weighted.draw(random));
  near(drawn.filter((index) => index === 2).length / drawn.length, 0.75, 0.02, 'weight 3 of 4');
  assert.ok(!drawn.includes(1));
  for (const p of [1e-6, 0.01, 0.3, 0.9]) near(tailOf(-probit(p)), p, 1e-3, `normal at ${p}`);
});

test('every row runs', () => {
  for (const { name, spec, share } of [...ROWS, ...BAD_ROWS]) {
    const gateways = spec.gateways?.count ?? 1;
    const { candidate, baseline } = total(seconds(createWorld(spec, 1), 0, 3, { share, gateways, slowFromMs: 40 }));
    assert.ok(trials(candidate) + trials(baseline) > 50, name);
  }
  const names = [...ROWS, ...BAD_ROWS].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

type Options = {
  readonly share?: number;
  readonly block?: Block;
  readonly slowFromMs?: number;
  readonly gateways?: number;
};

/** Seconds of a world, all gateways in one list. */
function seconds(world: World, from: number, count: number, options: Options = {}): Traffic[] {
  const { share = 0.05, slowFromMs = Number.POSITIVE_INFINITY, gateways = 1 } = options;
  const blocks = Array.from({ length: gateways }, () => options.block ?? { from: 0, to: share * 1e6 });
  return Array.from({ length: count }, (_, i) => world.second({ at: from + i, blocks, slowFromMs })).flat();
}

function run(
  spec: WorldSpec,
  count: number,
  { seed = 1, ...options }: Options & { readonly seed?: number } = {},
): Traffic {
  return total(seconds(createWorld(spec, seed), 0, count, options));
}

function total(all: readonly Traffic[]): Traffic {
  const arm = (name: 'candidate' | 'baseline') => {
    const hits = all.flatMap((traffic) => traffic[name].hits);
    const sums = all.map((traffic): Tally => ({ ...traffic[name], hits: [] })).reduce(addTallies, emptyTally());
    return { ...sums, hits };
  };
  return { candidate: arm('candidate'), baseline: arm('baseline'), coin: all[0]?.coin ?? 0 };
}

function trials({ judged }: Tally): number {
  return judged.trials;
}

function errorPart(tallies: readonly Tally[]): number {
  return sum(tallies.map(({ judged }) => judged.hits)) / sum(tallies.map(trials));
}

function slowPart({ hits, timed }: Tally): number {
  return hits.filter(({ isError }) => !isError).length / timed.cpu;
}

/** How many units are in both. */
function common(some: readonly Hit[], others: readonly Hit[]): number {
  const units = new Set(others.map(({ unit }) => unit));
  return new Set(some.map(({ unit }) => unit).filter((unit) => units.has(unit))).size;
}

function countBy(hits: readonly Hit[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { unit } of hits) counts.set(unit, (counts.get(unit) ?? 0) + 1);
  return counts;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

/** Within a part of what is expected. */
function near(found: number | undefined, expected: number, part: number, what: string): void {
  const isNear = found !== undefined && Math.abs(found - expected) <= part * expected + 1e-9;
  assert.ok(isNear, `${what}: ${found} instead of ${expected}`);
}
