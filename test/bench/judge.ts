// `npm run bench -- judge`: how often the judge throws a healthy candidate out, and how soon it notices a bad one. By
// simulation of whole rollouts, tick by tick, with fixed seeds: two runs print the same. `SIMULATIONS=10` runs ten times as
// many. Results that were kept: test/bench/RESULTS.md.
import type { Heard } from '../../gateway/judge/counter.ts';
import { Counter } from '../../gateway/judge/counter.ts';
import { NO_COMPARISONS } from '../../gateway/judge/disagreement.ts';
import { emptyHistogram } from '../../gateway/judge/histogram.ts';
import { advance } from '../../gateway/judge/rollout.ts';
import { newRollout, type RolloutState } from '../../gateway/judge/state.ts';
import type { Traffic } from '../../gateway/judge/weigh.ts';
import { parsePolicy } from '../../gateway/policy/load.ts';
import type { Rollout } from '../../gateway/policy/policy.ts';
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
    '\nbursts of retries, 100 requests/s: false rollbacks in 1e6 requests, every request counted | as the judge counts\n',
    burstTable(),
    '\nall guards, latency included, 100 requests/s: seconds to rollback\n',
    detectionTable(),
  ].join('\n');
}

/** Statistics.md B3: false rollbacks over a million requests, and total requests to rollback at four error rates. */
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

/** Callers that fail try again and fail again: so many times on average, or a hundred times one caller in a hundred. */
function burstTable(): string {
  const kinds: readonly (readonly [string, (random: () => number) => number])[] = [
    ['bursts of 3 on average', (random) => 1 + Math.floor(Math.log(1 - random()) / Math.log(2 / 3))],
    ['bursts of 10 on average', (random) => 1 + Math.floor(Math.log(1 - random()) / Math.log(9 / 10))],
    ['1 % of those who fail emit 100', (random) => (random() < 0.01 ? 100 : 1)],
  ];
  return table([
    ['retries', 'every request', 'one a caller and minute'],
    ...kinds.map(([name, burst]) => {
      const run = (isKeyed: boolean) =>
        fraction(
          seeds(10 * FACTOR).map((seed) => secondsToRollback(ALL, burstsOf(burst, isKeyed, seed), MILLION / 100)),
        );
      return [name, run(false), run(true)];
    }),
  ]);
}

/** 100 requests a second by callers who each come once, but for those that fail; retries follow within seconds. */
function burstsOf(burst: (random: () => number) => number, isKeyed: boolean, seed: number): () => Traffic {
  const random = randomFrom(seed);
  const limits = { edges: { cpu: [], gpu: [] }, latencyMs: undefined };
  const [candidate, baseline] = [new Counter(limits), new Counter(limits)];
  let callers = 0;
  let retries: { readonly caller: number; readonly left: number }[] = [];
  const ask = (caller: number, isError: boolean) =>
    (caller % 20 === 0 ? candidate : baseline).count(heard(isKeyed ? `u${caller}` : undefined, isError));
  return () => {
    for (const { caller } of retries) ask(caller, true);
    retries = retries.flatMap(({ caller, left }) => (left > 1 ? [{ caller, left: left - 1 }] : []));
    for (let i = poisson(100, random); i > 0; i--) {
      const caller = callers + Math.floor(random() * 20); // so that the arm is drawn anew each time
      callers += 20;
      const failures = random() < 0.005 ? burst(random) : 0;
      ask(caller, failures > 0);
      if (failures > 1) retries.push({ caller, left: failures - 1 });
    }
    return { candidate: candidate.take(1000), baseline: baseline.take(1000) };
  };
}

function heard(unit: string | undefined, isError: boolean): Heard {
  const kind = isError ? 'model_fault' : 'ok';
  return { id: 'r', unit, attempt: 1, serverClass: 'cpu', class: kind, fault: undefined, latencyMs: 10 };
}

/** Ticks of traffic; the candidate is as the baseline until second `from`. */
function draws(rate: number, baseline: Behaviour, candidate: Behaviour, from: number, seed: number): () => Traffic {
  const random = randomFrom(seed);
  let second = 0;
  return () => {
    const behaviour = second++ < from ? baseline : candidate;
    const all = poisson(rate, random);
    const mine = binomial(all, SHARE, random);
    return { candidate: tallyOf(mine, behaviour, random), baseline: tallyOf(all - mine, baseline, random) };
  };
}

/** Runs a rollout in its one step until it is rolled back; Infinity when it never is. */
function secondsToRollback(rollout: Rollout, next: () => Traffic, longest: number): number {
  const edges = { cpu: [10, 20, 25, 40, 80], gpu: [1] };
  let state: RolloutState = { ...newRollout('bench', 'm', 'v2', 'v1'), phase: { name: 'step', step: 0 }, edges };
  const moment = { elapsedMs: 1000, at: '', isAutomatic: true };
  for (let second = 1; second <= longest; second++) {
    const seen = { traffic: next(), comparisons: NO_COMPARISONS, recent: RECENT, isReady: true };
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
