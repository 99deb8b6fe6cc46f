// Evidence from first hits is gathered in runs: windows of a minute, ten minutes, an hour, and the whole. Within a run a unit
// counts once. Runs are averaged and never multiplied, so it does not matter how their units depend on one another: the
// weighted mean of e-values is an e-value (Vovk & Wang, Annals of Statistics 2021).
import { ALTERNATIVES } from './coin.ts';
import { addVectors, logMean } from './mixture.ts';

/** How long the runs of each family last, in milliseconds. */
export const FAMILIES: readonly number[] = [60_000, 600_000, 3_600_000, Number.POSITIVE_INFINITY];

/** Which run of each family is under way, and since how many milliseconds. */
export type Clock = { readonly runs: readonly number[]; readonly ages: readonly number[] };

export const NEW_CLOCK: Clock = { runs: FAMILIES.map(() => 0), ages: FAMILIES.map(() => 0) };

/** Evidence of one guard: what each alternative is worth in the run under way, by family, and what ended runs have left. */
export type Odds = {
  /** Logarithms, by family and alternative; a family that saw nothing has none. */
  readonly logs: readonly (readonly number[])[];
  /** Weighted evidence of ended runs. */
  readonly ended: number;
};

export const NO_ODDS: Odds = { logs: FAMILIES.map(() => []), ended: 0 };

/** Beyond this it stops counting: it is far above any threshold, and must stay a number that JSON can say. */
export const MOST = 1e15;

/** The clock after a tick. */
export function passTime({ runs, ages }: Clock, ms: number): Clock {
  const grown = ages.map((age) => age + ms);
  const isOver = grown.map((age, family) => age >= (FAMILIES[family] ?? 0));
  if (!isOver.includes(true)) return { runs, ages: grown };
  return {
    runs: runs.map((run, family) => (isOver[family] ? run + 1 : run)),
    ages: grown.map((age, family) => (isOver[family] ? 0 : age)),
  };
}

/** The clock with new runs in every family: who was counted so far is not known, or is not to count. */
export function beginRuns({ runs, ages }: Clock): Clock {
  return ages.every((age) => age === 0)
    ? { runs, ages }
    : { runs: runs.map((run) => run + 1), ages: ages.map(() => 0) };
}

/** The evidence with the log ratios of one tick, by family; a family without any saw nothing. */
export function addLogs(odds: Odds, logs: readonly (readonly number[])[]): Odds {
  return {
    ...odds,
    logs: odds.logs.map((before, family) => {
      const now = logs[family] ?? [];
      if (now.length === 0) return before;
      return before.length === 0 ? now : addVectors(before, now);
    }),
  };
}

/** The evidence when the clock has gone on: runs that ended are added up for good. */
export function closeRuns(odds: Odds, before: Clock, after: Clock): Odds {
  const isOver = before.runs.map((run, family) => run !== after.runs[family]);
  if (!isOver.includes(true)) return odds;
  const ended = isOver.reduce((sum, over, family) => (over ? sum + worthOf(odds, before, family) : sum), odds.ended);
  return { logs: odds.logs.map((logs, family) => (isOver[family] ? [] : logs)), ended: Math.min(MOST, ended) };
}

/** The evidence now: at most 1 on average, at any time, while the candidate is no worse than tolerated. */
export function evidenceIn(odds: Odds, clock: Clock): number {
  let value = odds.ended;
  for (let family = 0; family < FAMILIES.length; family++) value += worthOf(odds, clock, family);
  return Math.min(MOST, value);
}

/** The part of one family's run under way: its weight times its evidence. */
function worthOf({ logs }: Odds, { runs }: Clock, family: number): number {
  const own = logs[family] ?? [];
  const weight = weightOf(runs[family] ?? 0);
  return own.length === 0 ? weight : Math.min(MOST, weight * Math.exp(logMean(own)));
}

/** The weights of all runs of all families add up to 1, however many there will be. */
function weightOf(run: number): number {
  return 1 / ((run + 1) * (run + 2) * FAMILIES.length);
}

/** Log ratios of nothing seen. */
export function noLogs(): number[] {
  return new Array(ALTERNATIVES).fill(0);
}
