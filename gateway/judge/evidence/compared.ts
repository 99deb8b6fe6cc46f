// Evidence by first hits, tick by tick: the candidate's callers beside the baseline's.
import { logsAt } from './coin.ts';
import { countOf, FAILED, type FirstHits } from './first-hits.ts';
import { type Grown, grow, type Increase, NOT_GROWN } from './grown.ts';
import { addLists } from './mixture.ts';
import { addLogs, type Clock, closeBlock, closeRuns, evidenceIn, FAMILIES, NO_ODDS, type Odds } from './runs.ts';
import type { ServerClass, Tally, Traffic } from './tally.ts';
import type { Tick } from './tick.ts';

/** Evidence by first hits. Slowness has odds for each edge, errors one. */
export type Compared = {
  readonly odds: readonly Odds[];
  readonly value: number;
  readonly grown: Grown;
  /** Whether the candidate was hit in the block under way. */
  readonly isBlockHit: boolean;
};

/** Nothing seen yet, for this number of signals. */
export function notCompared(signals: number): Compared {
  return { odds: new Array(signals).fill(NO_ODDS), value: 0, grown: NOT_GROWN, isBlockHit: false };
}

/** The evidence with the first hits of one tick; `seen` is what people read. */
export function weighHits(
  before: Compared,
  clock: Clock,
  { traffic, hits, elapsedMs, at, isBounded }: Tick,
  signals: readonly number[],
  tolerated: number,
  seen: Increase,
): Compared {
  const isHit = seen.occasions > 0;
  const occasions = isHit && !before.isBlockHit ? 1 : 0;
  const grown = grow(before.grown, before.value < 1, { ...seen, occasions }, elapsedMs, at);
  if (hits.counts.length === 0 || traffic.coin === 0) return { ...before, grown };
  const odds = signals.map((signal, i) => addLogs(before.odds[i] ?? NO_ODDS, logsOf(traffic, hits, signal, tolerated)));
  return { odds, value: meanEvidence(odds, clock, isBounded), grown, isBlockHit: before.isBlockHit || isHit };
}

/** The mean over edges is one e-value again. */
function meanEvidence(odds: readonly Odds[], clock: Clock, isBounded: boolean): number {
  return odds.reduce((sum, each) => sum + evidenceIn(each, clock, isBounded), 0) / odds.length;
}

/** Log ratios of the first hits of a signal by family of runs; none where there were no hits. */
function logsOf(traffic: Traffic, hits: FirstHits, signal: number, tolerated: number): (readonly number[])[] {
  if (signal === FAILED) return byFamily(hits, signal, undefined, traffic.coin, tolerated);
  // Versions may use classes of servers differently: only that part of the callers' requests can be slow there.
  const [cpu, gpu] = (['cpu', 'gpu'] as const).map((kind) =>
    byFamily(hits, signal, kind, coinAt(traffic, kind), tolerated),
  ) as [(readonly number[])[], (readonly number[])[]];
  return cpu.map((logs, family) => addLists(logs, gpu[family] ?? []));
}

function byFamily(
  hits: FirstHits,
  signal: number,
  kind: ServerClass | undefined,
  coin: number,
  tolerated: number,
): (readonly number[])[] {
  // Where one arm alone is there is nothing to compare with.
  const logs = coin === 0 || coin === 1 ? undefined : logsAt(coin, tolerated);
  let known: { readonly mine: number; readonly theirs: number; readonly logs: readonly number[] } | undefined;
  return FAMILIES.map((_, family) => {
    const [mine, theirs] = [countOf(hits, signal, family, 0, kind), countOf(hits, signal, family, 1, kind)];
    if (mine + theirs === 0 || logs === undefined) return NOTHING_SEEN;
    // Most units are as new in one family as in another.
    if (known?.mine !== mine || known.theirs !== theirs) known = { mine, theirs, logs: logs(mine, mine + theirs) };
    return known.logs;
  });
}

const NOTHING_SEEN: readonly number[] = [];

/** The coin among requests that servers of one class answered. */
function coinAt({ coin, candidate, baseline }: Traffic, kind: ServerClass): number {
  const part = ({ timed }: Tally) => timed[kind] / Math.max(1, timed.cpu + timed.gpu);
  const [mine, theirs] = [coin * part(candidate), (1 - coin) * part(baseline)];
  return mine + theirs === 0 ? 0 : mine / (mine + theirs);
}

/** The evidence when time has gone on: blocks and runs that are over are closed. */
export function closeCompared(compared: Compared, before: Clock, clock: Clock, isBounded: boolean): Compared {
  const odds = compared.odds.map((each) => closeBlock(closeRuns(each, before, clock, isBounded), isBounded));
  return { ...compared, odds, value: meanEvidence(odds, clock, isBounded), isBlockHit: false };
}
