// What the judge has to hold against: versions that are alike in worlds that are not simple, and candidates that are bad.
// A rollout's first block is expected to begin at slot 0: some callers are put into it.
import { faultsIn } from './servers.ts';
import type { CandidateSpec, WorldSpec } from './world-spec.ts';

/** Versions that are alike: nothing may be ended. */
export type Row = {
  readonly name: string;
  readonly spec: WorldSpec;
  /** The candidate's part of the slots. */
  readonly share: number;
  readonly hours: number;
  /** How many faults the candidate's servers have in a run with this seed. */
  readonly faults?: (seed: number) => number;
  /** The candidate has been promoted when it begins: nobody is on the old version. */
  readonly isPromoted?: true;
  /** In these seconds the first gateway restarts. */
  readonly gatewayRestarts?: readonly number[];
};

/** A candidate that is bad from second `healthyS` on. What is left out is not promised. */
export type BadRow = {
  readonly name: string;
  readonly spec: WorldSpec;
  readonly share: number;
  readonly healthyS: number;
  /** When to give up, in seconds after it has become bad. */
  readonly limitS: number;
  /** Callers are free of it after so many seconds in this part of all runs, .5 for the median. */
  readonly suspended?: { readonly withinS: number; readonly part: number };
  /** It is ended after so many seconds. */
  readonly endedWithinS?: number;
};

const HOUR_S = 3600;
const IN_BLOCK = 25_000;
const CALLERS = { count: 2000 };
const PLAIN: WorldSpec = { rate: 100, callers: CALLERS };
const ONE_OF_TEN = { candidate: 1, baseline: 9 };
const SOME_FAIL = { some: [{ part: 0.02, p: 0.25 }] };
const SHIFT = { periodS: HOUR_S, depth: 1, everyS: 60 };

/** All the rows of versions that are alike; each without a share of its own runs at 5 %, without hours for one. */
export const ROWS: readonly Row[] = [
  row('plain', {}, { hours: 8 }),
  row('every request a unit of its own', { callers: 'random' }, { hours: 8 }),
  row('a caller with 30 % of the requests in the block', {
    callers: { ...CALLERS, activity: { heavy: 0.3 }, slots: [IN_BLOCK] },
  }),
  row('an always-failing caller, share 50 %', { errors: { some: [{ count: 1, p: 1 }] } }, { share: 0.5, hours: 8 }),
  row('three always-failing callers, share 25 %', { errors: { some: [{ count: 3, p: 1 }] } }, { share: 0.25 }),
  row('2 % of 50 callers fail a quarter of the time', { callers: { count: 50 }, errors: SOME_FAIL }),
  row('2 % of 500 callers fail a quarter of the time', { callers: { count: 500 }, errors: SOME_FAIL }, { hours: 8 }),
  row('2 % of 5,000 callers fail a quarter of the time', { callers: { count: 5000 }, errors: SOME_FAIL }),
  row('50 tenants of different speed', { callers: { count: 50 }, latency: { between: 0.7, sigma: 0.3 } }),
  row('50 tenants of different error rates', { callers: { count: 50 }, errors: { sigma: 1.2 } }, { hours: 8 }),
  ...[1, 3, 10].map((count) =>
    row(
      `retries behind ${count} gateways`,
      { retries: { mean: 10 }, gateways: { count } },
      count === 3 ? { hours: 8 } : {},
    ),
  ),
  row('retries behind 3 gateways, units random', {
    callers: 'random',
    retries: { mean: 10 },
    gateways: { count: 3 },
  }),
  row('1 of 10 servers, pauses of 1 s in 2 min', pausing(1, 120)),
  row('1 of 10 servers, pauses of 300 ms in 1 min', pausing(0.3, 60)),
  row('1 of 10 servers, pauses of 2 s in 30 min, 300/s', { ...pausing(2, 1800), rate: 300 }, { hours: 8 }),
  row('1 of 10 servers, regular pauses of 1 s in 2 min', {
    servers: { pools: ONE_OF_TEN, pauses: [{ lengthS: 1, everyS: 120, isRegular: true }] },
  }),
  row('1 of 10 servers', { servers: { pools: ONE_OF_TEN } }),
  row('1 of 10 servers, stalls of 5 s in 30 min', pausing(5, 1800)),
  row('1 of 2 servers, stalls of 5 s in 30 min', {
    servers: { pools: { candidate: 1, baseline: 1 }, pauses: [{ lengthS: 5, everyS: 1800 }] },
  }),
  row('the first 5 answers 10 times slower', { rate: 50, ...cold(5, 10) }),
  row('the first 20 answers 3 times slower', { rate: 50, ...cold(20, 3) }),
  row('a restart of the only server', {
    servers: {
      pools: { candidate: 1, baseline: 1 },
      events: [{ kind: 'down', at: 600, lengthS: 1.2, server: 'c1' }],
    },
  }),
  row(
    'the whole fleet freezes for 10 s after a promotion',
    { servers: { pools: { shared: 4 }, events: [{ kind: 'freeze', at: 600, lengthS: 10 }] } },
    { share: 1, isPromoted: true },
  ),
  row('daily cycles', { cycle: { periodS: 86_400, depth: 0.8 } }, { hours: 8 }),
  row(
    'a mix that shifts',
    { callers: { ...CALLERS, activity: 'zipf', shift: SHIFT }, errors: { sigma: 1.2 }, latency: { between: 0.5 } },
    { hours: 8 },
  ),
  row('shared outages', {
    servers: {
      pools: { shared: 4 },
      events: [
        { kind: 'fail', at: 600, lengthS: 60, part: 0.3 },
        { kind: 'fail', at: 1500, lengthS: 20 },
        { kind: 'freeze', at: 2400, lengthS: 10 },
      ],
    },
  }),
  row('an hour of silence', { silences: [{ from: 1800, to: 1800 + HOUR_S }] }, { hours: 2 }),
  ...[10, 50, 500, 2000, 20_000, 100_000].map((count) =>
    row(`${count.toLocaleString('en')} callers, Zipf`, { callers: { count, activity: 'zipf' } }),
  ),
  row('two candidates at once', { other: { from: 600_000, to: 1_000_000 } }, { share: 0.4 }),
  row('a gateway restarts in mid-step', { gateways: { count: 3 } }, { gatewayRestarts: [900, 1800, 2700] }),
  row('all of these at once', everything(), { share: 0.05, hours: 8, gatewayRestarts: [900] }),
];

const DEFECTS = [
  { name: '20 % errors', errors: 0.2 },
  { name: '5 % errors', errors: 0.05 },
  { name: 'everything fails', errors: 1 },
  { name: '+1 point of errors', errors: 0.01 },
] as const;

type Defect = (typeof DEFECTS)[number];

/** Every bad candidate with every crowd. */
export const BAD_ROWS: readonly BadRow[] = DEFECTS.flatMap((defect) =>
  [1, 10, 50, 2000, 20_000].flatMap((callers) =>
    [0, 6].flatMap((hours) => [1, 10].map((gateways) => badRow(defect, callers, hours, gateways))),
  ),
);

function row(
  name: string,
  spec: Partial<WorldSpec>,
  rest: Partial<Pick<Row, 'share' | 'hours' | 'isPromoted' | 'gatewayRestarts'>> = {},
): Row {
  const hours = rest.hours ?? 1;
  const { servers } = spec;
  const faults = (seed: number) => faultsIn(servers, seed, hours * HOUR_S);
  return {
    name,
    spec: { ...PLAIN, ...spec },
    share: 0.05,
    hours,
    ...rest,
    ...(servers === undefined ? {} : { faults }),
  };
}

function pausing(lengthS: number, everyS: number): Partial<WorldSpec> {
  return { servers: { pools: ONE_OF_TEN, pauses: [{ lengthS, everyS }] } };
}

function cold(answers: number, times: number): { readonly candidate: CandidateSpec } {
  return { candidate: { cold: { answers, times, isTimedWarm: true } } };
}

function everything(): Partial<WorldSpec> {
  return {
    callers: { count: 2000, activity: 'zipf', shift: SHIFT },
    cycle: { periodS: 86_400, depth: 0.5 },
    silences: [{ from: 5 * HOUR_S, to: 6 * HOUR_S }],
    gateways: { count: 3 },
    errors: { sigma: 1.2, some: [{ count: 1, p: 1 }, ...SOME_FAIL.some] },
    latency: { between: 0.5 },
    retries: { mean: 3 },
    ...cold(5, 10),
    other: { from: 600_000, to: 1_000_000 },
    servers: {
      pools: ONE_OF_TEN,
      pauses: [
        { lengthS: 1, everyS: 1200 },
        { lengthS: 5, everyS: 7200 },
      ],
      events: [
        { kind: 'down', at: 1200, lengthS: 1.2, server: 'c1' },
        { kind: 'fail', at: 2000, lengthS: 60, part: 0.3 },
        { kind: 'freeze', at: 3000, lengthS: 10 },
      ],
    },
  };
}

function badRow(defect: Defect, count: number, hours: number, gateways: number): BadRow {
  const { name, errors } = defect;
  const after = hours === 0 ? 'at once' : `after ${hours} healthy hours`;
  const suspended = promiseFor(defect, count, hours);
  const spread = gateways === 1 ? (s: number) => s : (s: number) => 1.5 * s + 2;
  const endedWithinS = count === 2000 && errors >= 0.05 ? spread(errors === 0.05 ? 300 : 120) : undefined;
  return {
    name: `${name}, ${count.toLocaleString('en')} callers, ${gateways} gateways, ${after}`,
    spec: {
      ...PLAIN,
      // With so few there may be no one in the block.
      callers: { count, ...(count <= 50 ? { slots: [IN_BLOCK] } : {}) },
      gateways: { count: gateways },
      candidate: { errors, when: hours * HOUR_S },
    },
    share: 0.05,
    healthyS: hours * HOUR_S,
    limitS: errors < 0.05 ? 3 * HOUR_S : 1800,
    ...(suspended === undefined ? {} : { suspended: { ...suspended, withinS: spread(suspended.withinS) } }),
    ...(endedWithinS === undefined ? {} : { endedWithinS }),
  };
}

/** When callers are to be free of it, with one gateway. */
function promiseFor({ errors }: Defect, count: number, hours: number): BadRow['suspended'] {
  if (errors === 1) return { withinS: 2, part: 0.5 };
  if (errors === 0.01) return count >= 2000 && hours === 0 ? { withinS: 1800, part: 0.9 } : undefined;
  if (count === 2000 && errors === 0.2) return { withinS: hours === 0 ? 6 : 15, part: 0.5 };
  if (count === 2000) return { withinS: hours === 0 ? 30 : 100, part: 0.5 };
  const areFew = count === 10 || count === 50;
  return areFew && errors === 0.2 && hours === 0 ? { withinS: 30, part: 0.9 } : undefined;
}
