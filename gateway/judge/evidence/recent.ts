// The last seconds of both arms, in seconds of groups: a group of units that asked in a second counts once, failed or not. So a
// caller who retries ten times within a second weighs no more than one who does not.
import type { Tally, Traffic } from './tally.ts';

/** Sums in which older ticks fade. */
export type Faded = {
  /** Groups that asked, and groups that failed, summed over seconds. */
  readonly active: number;
  readonly failing: number;
  /** Requests that were judged, those of them that failed, and requests that the servers did not answer. */
  readonly requests: number;
  readonly failed: number;
  readonly serverFaults: number;
};

export type Recent = {
  /** What counts for some three seconds, and for some thirty. */
  readonly candidate: { readonly fast: Faded; readonly slow: Faded };
  readonly baseline: { readonly fast: Faded; readonly slow: Faded };
  /** Seconds in a row in which every request of the candidate failed, and how many requests that were. */
  readonly allFailed: { readonly seconds: number; readonly requests: number };
  /** Ticks since the baseline answered last. */
  readonly silent: number;
};

const NONE: Faded = { active: 0, failing: 0, requests: 0, failed: 0, serverFaults: 0 };
/** After this number of ticks without an answer of the baseline there is nothing to compare with. */
const SILENT = 5;

export const NO_RECENT: Recent = {
  candidate: { fast: NONE, slow: NONE },
  baseline: { fast: NONE, slow: NONE },
  allFailed: { seconds: 0, requests: 0 },
  silent: SILENT,
};

const KEPT = { fast: 0.6, slow: 1 - 1 / 30 } as const;

/** The last seconds with one more tick. */
export function addRecent(recent: Recent, { candidate, baseline }: Traffic): Recent {
  return {
    candidate: addArm(recent.candidate, candidate),
    baseline: addArm(recent.baseline, baseline),
    allFailed: addRow(recent.allFailed, candidate),
    silent: baseline.judged.trials + baseline.outcomes.server_fault === 0 ? recent.silent + 1 : 0,
  };
}

/** Whether there is a baseline to compare with. */
export function isLive({ silent }: Recent): boolean {
  return silent < SILENT;
}

/** The part of the groups that failed. */
export function failingPart({ active, failing }: Faded): number {
  return active === 0 ? 0 : failing / active;
}

/** The part of the requests that the servers did not answer. */
export function unansweredPart({ requests, serverFaults }: Faded): number {
  return serverFaults === 0 ? 0 : serverFaults / (requests + serverFaults);
}

function addArm({ fast, slow }: Recent['candidate'], tally: Tally): Recent['candidate'] {
  const now = {
    active: countPositive(tally.groups.requests),
    failing: countPositive(tally.groups.failed),
    requests: tally.judged.trials,
    failed: tally.judged.hits,
    serverFaults: tally.outcomes.server_fault,
  };
  return { fast: fade(fast, now, KEPT.fast), slow: fade(slow, now, KEPT.slow) };
}

function fade(before: Faded, now: Faded, kept: number): Faded {
  return {
    active: before.active * kept + now.active,
    failing: before.failing * kept + now.failing,
    requests: before.requests * kept + now.requests,
    failed: before.failed * kept + now.failed,
    serverFaults: before.serverFaults * kept + now.serverFaults,
  };
}

/** A second without requests changes nothing; one with a success begins anew. */
function addRow(row: Recent['allFailed'], { judged }: Tally): Recent['allFailed'] {
  if (judged.trials === 0) return row;
  if (judged.hits < judged.trials) return NO_RECENT.allFailed;
  return { seconds: row.seconds + 1, requests: row.requests + judged.hits };
}

function countPositive(values: readonly number[]): number {
  let count = 0;
  for (const value of values) if (value > 0) count++;
  return count;
}
