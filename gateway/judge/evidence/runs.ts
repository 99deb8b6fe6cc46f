// Evidence from first hits is gathered in runs: windows of a minute, ten minutes, an hour, and the whole. Within a run a unit
// counts once. Runs are averaged and never multiplied, so it does not matter how their units depend on one another: the
// weighted mean of e-values is an e-value (Vovk & Wang, Annals of Statistics 2021).
import { addLists, logMean } from './mixture.ts';

/** How long the runs of each family last, in milliseconds. */
export const FAMILIES: readonly number[] = [60_000, 600_000, 3_600_000, Number.POSITIVE_INFINITY];

/** Which run of each family is under way, since how many milliseconds, and how old the block under way is. */
export type Clock = {
  readonly runs: readonly number[];
  readonly ages: readonly number[];
  readonly blockMs: number;
};

export const NEW_CLOCK: Clock = { runs: FAMILIES.map(() => 0), ages: FAMILIES.map(() => 0), blockMs: 0 };

/** Evidence of one guard: what each alternative is worth in the run under way, by family, and what ended runs have left. */
export type Odds = {
  /** Logarithms, by family and alternative; a family that saw nothing has none. */
  readonly logs: readonly (readonly number[])[];
  /** The same of the seconds under way, which may be bounded. */
  readonly block: readonly (readonly number[])[];
  /** Weighted evidence of ended runs. */
  readonly ended: number;
};

const NONE = FAMILIES.map(() => []);

export const NO_ODDS: Odds = { logs: NONE, block: NONE, ended: 0 };

/** Seconds that are bounded together: a pause of a server is over within two of them. */
export const BLOCK_MS = 3000;

/**
 * The logarithm of what one block may be worth at most where evidence is bounded. Faults of servers come in bursts, and no coin
 * was tossed for them: a burst, however large, is then little evidence. Less is allowed to speak against a candidate, never more.
 */
export const BLOCK_MOST = Math.log(5);

/** Beyond this it stops counting: it is far above any threshold, and must stay a number that JSON can say. */
export const MOST = 1e15;

/** The clock after a tick. */
export function passTime({ runs, ages, blockMs }: Clock, ms: number): Clock {
  const block = blockMs + ms >= BLOCK_MS ? 0 : blockMs + ms;
  const grown = ages.map((age) => age + ms);
  const isOver = grown.map((age, family) => age >= (FAMILIES[family] ?? 0));
  if (!isOver.includes(true)) return { runs, ages: grown, blockMs: block };
  return {
    runs: runs.map((run, family) => (isOver[family] ? run + 1 : run)),
    ages: grown.map((age, family) => (isOver[family] ? 0 : age)),
    blockMs: block,
  };
}

/** The clock with new runs in every family: who was counted so far is not known, or is not to count. */
export function beginRuns(clock: Clock): Clock {
  const { runs, ages } = clock;
  if (ages.every((age) => age === 0)) return clock;
  return { runs: runs.map((run) => run + 1), ages: ages.map(() => 0), blockMs: 0 };
}

/** The evidence with the log ratios of one tick, by family; a family without any saw nothing. */
export function addLogs(odds: Odds, logs: readonly (readonly number[])[]): Odds {
  return { ...odds, block: odds.block.map((before, family) => addLists(before, logs[family] ?? [])) };
}

/** The evidence at the end of a block. */
export function closeBlock(odds: Odds, isBounded: boolean): Odds {
  if (odds.block.every((block) => block.length === 0)) return odds;
  return { ...odds, logs: odds.logs.map((_, family) => logsIn(odds, family, isBounded)), block: NONE };
}

/** What each alternative is worth in a family's run, the block under way included. */
function logsIn({ logs, block }: Odds, family: number, isBounded: boolean): readonly number[] {
  const now = block[family] ?? [];
  return addLists(logs[family] ?? [], isBounded ? now.map((log) => Math.min(log, BLOCK_MOST)) : now);
}

/** The evidence when the clock has gone on: runs that ended are added up for good. */
export function closeRuns(odds: Odds, before: Clock, after: Clock, isBounded: boolean): Odds {
  const isOver = before.runs.map((run, family) => run !== after.runs[family]);
  if (!isOver.includes(true)) return odds;
  const ended = isOver.reduce(
    (sum, over, family) => (over ? sum + worthOf(odds, before, family, isBounded) : sum),
    odds.ended,
  );
  const kept = (all: Odds['logs']) => all.map((logs, family) => (isOver[family] ? [] : logs));
  return { logs: kept(odds.logs), block: kept(odds.block), ended: Math.min(MOST, ended) };
}

/** The evidence now: at most 1 on average, at any time, while the candidate is no worse than tolerated. */
export function evidenceIn(odds: Odds, clock: Clock, isBounded: boolean): number {
  let value = odds.ended;
  for (let family = 0; family < FAMILIES.length; family++) value += worthOf(odds, clock, family, isBounded);
  return Math.min(MOST, value);
}

/** The part of one family's run under way: its weight times its evidence. */
function worthOf(odds: Odds, { runs }: Clock, family: number, isBounded: boolean): number {
  const own = logsIn(odds, family, isBounded);
  const weight = weightOf(runs[family] ?? 0);
  return own.length === 0 ? weight : Math.min(MOST, weight * Math.exp(logMean(own)));
}

/** The weights of all runs of all families add up to 1, however many there will be. */
function weightOf(run: number): number {
  return 1 / ((run + 1) * (run + 2) * FAMILIES.length);
}
