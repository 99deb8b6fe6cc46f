// `npm run bench -- judge`: how often the judge throws a healthy candidate out, and how soon it notices a bad one. By
// simulation of whole rollouts, tick by tick, with fixed seeds: two runs print the same. `SIMULATIONS=10` runs ten times as
// many. Results that were kept: test/bench/RESULTS.md.
import { NO_COMPARISONS } from '../../gateway/judge/disagreement.ts';
import { emptyHistogram } from '../../gateway/judge/histogram.ts';
import { advance } from '../../gateway/judge/rollout.ts';
import { newRollout, type RolloutState } from '../../gateway/judge/state.ts';
import type { Traffic } from '../../gateway/judge/weigh.ts';
import { parsePolicy } from '../../gateway/policy/load.ts';
import type { Rollout } from '../../gateway/policy/policy.ts';
import { type Draw, retried, skewed } from './crowd.ts';
import { type Behaviour, binomial, HEALTHY, poisson, randomFrom, tallyOf } from './simulate.ts';

const SHARE = 0.05;
const MILLION = 1e6;
const FACTOR = Number(process.env.SIMULATIONS ?? 1);

/** Every guard there is, 1 % false alarms together. */
const ALL = rolloutWith('error_rate: 2%, latency_p99: 250ms, versus_baseline: 1.5x, consecutive_failures: 10');
/** The two guards that a policy has that says nothing more. */
const DEFAULT = rolloutWith('');

/** Tables in Markdown. */
export function benchJudge(): string {
  return [
    `base error rate 0.5 %, share 5 %, judged every second, false_alarm 1 % over all guards; medians, 90 % in brackets\n`,
    errorTable(),
    '\nall guards, 100 requests/s: false rollbacks in 1e6 requests by callers who are not alike\n',
    burstTable(),
    '\nall guards, latency included, 100 requests/s: seconds to rollback\n',
    detectionTable(),
  ].join('\n');
}

/** False rollbacks over a million requests, and total requests to rollback at four error rates. */
function errorTable(): string {
  const rows = [
    ['guards', 'requests/s', 'false in 1e6', '1 %', '2 %', '5 %', '20 %'],
    ...[10, 100, 1000].flatMap((rate) =>
      (
        [
          ['all', ALL],
          ['default', DEFAULT],
        ] as const
      ).map(([name, rollout]) => {
        // Latency is left out here: it would be a tenth of the risk and most of the work. See the last table.
        const healthy = { errors: 0.005, slow: [], over: 0 };
        const run = (errors: number, seed: number) =>
          rate * secondsToRollback(rollout, draws(rate, healthy, { ...healthy, errors }, 0, seed), MILLION / rate);
        const medians = [0.01, 0.02, 0.05, 0.2].map((errors) => {
          const sims = Math.round((errors < 0.02 ? 41 : 201) * FACTOR);
          return quantiles(seeds(sims).map((seed) => run(errors, seed)));
        });
        const sims = Math.round((rate === 10 ? 20 : 100) * FACTOR);
        return [name, String(rate), fraction(seeds(sims).map((seed) => run(0.005, seed))), ...medians];
      }),
    ),
  ];
  return table(rows);
}

/** Seconds until each kind of bad candidate is out, and false alarms over three days. */
function detectionTable(): string {
  const seconds = (candidate: Behaviour, from: number, longest = 36_000) =>
    quantiles(
      seeds(101).map((seed) => secondsToRollback(ALL, draws(100, HEALTHY, candidate, from, seed), longest) - from),
    );
  const threeDays = seeds(2 * FACTOR).map((seed) =>
    secondsToRollback(ALL, draws(100, HEALTHY, HEALTHY, 0, seed), 259_200),
  );
  const outage = { ...HEALTHY, errors: 0.3 };
  const outages = (share: number) =>
    seeds(50 * FACTOR).map((seed) => secondsToRollback(ALL, draws(100, outage, outage, 200, seed, share), 800));
  return table([
    ['candidate', 'seconds'],
    ['20 % errors from the start of its step', seconds({ ...HEALTHY, errors: 0.2 }, 0)],
    ['5 % errors from the start of its step', seconds({ ...HEALTHY, errors: 0.05 }, 0)],
    ['20 % errors after 200 healthy seconds', seconds({ ...HEALTHY, errors: 0.2 }, 200)],
    ['20 % errors after a healthy hour', seconds({ ...HEALTHY, errors: 0.2 }, 3600)],
    ['1.5 times as slow from the start', seconds(slowed(1.5), 0)],
    ['twice as slow from the start', seconds(slowed(2), 0)],
    ['twice as slow after 200 healthy seconds', seconds(slowed(2), 200)],
    [
      '2 % of the calls take seconds',
      seconds({ errors: 0.005, slow: HEALTHY.slow.map((part) => part + 0.02), over: 0.025 }, 0),
    ],
    ['everything fails', seconds({ ...HEALTHY, errors: 1 }, 0)],
    ['both fail 30 % after 200 healthy seconds, ten minutes', `${fraction(outages(SHARE))} rolled back`],
    ['the same at a share of 50 %', `${fraction(outages(0.5))} rolled back`],
    ['the same at a share of 90 %', `${fraction(outages(0.9))} rolled back`],
    ['healthy, three days', `${fraction(threeDays)} rolled back`],
  ]);
}

/** Lognormal latencies with sigma 0.6, `times` as slow: the part beyond each quantile of the baseline. */
function slowed(times: number): Behaviour {
  const slow = [0, 1.2816, 1.6449, 2.3263, 3.0902].map((z) => 1 - normal(z - Math.log(times) / 0.6));
  return { ...HEALTHY, slow, over: 1 - normal(2.5758 - Math.log(times) / 0.6) };
}

/** The normal distribution (Abramowitz and Stegun 26.2.17, to 1e-7). */
function normal(z: number): number {
  if (z < 0) return 1 - normal(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const tail = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * tail;
}

/** What real callers do: who fails tries again, and some ask much more often than others. */
function burstTable(): string {
  const kinds: readonly (readonly [string, Draw])[] = [
    ['bursts of 3 on average', retried((random) => 1 + Math.floor(Math.log(1 - random()) / Math.log(2 / 3)))],
    ['bursts of 10 on average', retried((random) => 1 + Math.floor(Math.log(1 - random()) / Math.log(9 / 10)))],
    ['1 % of those who fail emit 100', retried((random) => (random() < 0.01 ? 100 : 1))],
    ['half of all requests from 40 callers, who never fail', skewed],
  ];
  return table([
    ['callers', 'every request', 'as the judge counts'],
    ...kinds.map(([name, traffic]) => {
      const run = (isKeyed: boolean, sims: number) =>
        fraction(
          seeds(sims * FACTOR).map((seed) => secondsToRollback(ALL, traffic(isKeyed, seed, ALL), MILLION / 100)),
        );
      return [name, run(false, 10), run(true, 25)];
    }),
  ]);
}

/** Ticks of traffic; before second `from` both are healthy. */
function draws(
  rate: number,
  baseline: Behaviour,
  candidate: Behaviour,
  from: number,
  seed: number,
  share = SHARE,
): () => Traffic {
  const random = randomFrom(seed);
  let second = 0;
  return () => {
    const [mine, theirs] = second++ < from ? [HEALTHY, HEALTHY] : [candidate, baseline];
    const all = poisson(rate, random);
    const asked = binomial(all, share, random);
    return { candidate: tallyOf(asked, mine, random), baseline: tallyOf(all - asked, theirs, random) };
  };
}

/** Runs a rollout in its one step until it is rolled back; Infinity when it never is. */
function secondsToRollback(rollout: Rollout, next: () => Traffic, longest: number): number {
  const edges = { cpu: [10, 20, 25, 40, 80], gpu: [1] };
  let state: RolloutState = { ...newRollout('bench', 'm', 'v2', 'v1'), phase: { name: 'step', step: 0 }, edges };
  const moment = { elapsedMs: 1000, at: '', isAutomatic: true };
  for (let second = 1; second <= longest; second++) {
    const seen = { traffic: next(), comparisons: NO_COMPARISONS, recent: RECENT, isReady: true, capacity: 1 };
    state = advance(state, seen, rollout, moment).state;
    if (state.phase.name === 'rolled_back') return second;
  }
  return Number.POSITIVE_INFINITY;
}

const RECENT = { cpu: emptyHistogram(), gpu: emptyHistogram() };

function rolloutWith(guards: string): Rollout {
  const model = parsePolicy(
    `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    rollout: { id: bench, candidate: v2, unit: header u, steps: [5%], rollback: { ${guards} } }
`,
    'bench',
  ).models.get('m');
  const [rollout] = model?.kind === 'served' ? model.rollouts : [];
  if (rollout === undefined) throw new Error('no rollout');
  return rollout;
}

function seeds(count: number): number[] {
  return Array.from({ length: count }, (_, i) => 7919 * i + 1);
}

function quantiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (p: number) => sorted[Math.floor(p * sorted.length)] ?? Number.NaN;
  return `${text(at(0.5))} (${text(at(0.9))})`;
}

function text(value: number): string {
  return value === Number.POSITIVE_INFINITY ? 'never' : value.toLocaleString('en');
}

function fraction(values: readonly number[]): string {
  return `${values.filter((value) => value !== Number.POSITIVE_INFINITY).length} of ${values.length}`;
}

function table([header = [], ...rows]: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
