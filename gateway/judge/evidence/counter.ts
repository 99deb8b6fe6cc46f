import { emptyHistogram, type Histogram, recordLatency } from './histogram.ts';
import { failsVersion, type Heard, isTimed } from './outcome.ts';
import {
  EXAMPLES,
  emptyTally,
  GROUPS,
  groupOf,
  type Hit,
  NO_LATENCIES,
  NOTHING,
  type ServerClass,
  type Tally,
} from './tally.ts';
import { unitOfRequest } from './unit.ts';

/** Hits that are kept one by one in a tick. */
export const MOST_HITS = 10_000;

/** Counts the outcomes of one arm, tick by tick. What is neither a failure nor slow costs a few additions. */
export class Counter {
  /** Milliseconds from which a latency is kept one by one, by class of servers. */
  slowFrom: Readonly<Record<ServerClass, number>> = { cpu: Number.POSITIVE_INFINITY, gpu: Number.POSITIVE_INFINITY };
  #tally = freshTally();
  /** Where requests go that name no unit: one group after the other. */
  #next = 0;

  /** Takes in one outcome; `body` is the request's, for one that names no unit. */
  count(heard: Heard, body: Uint8Array): void {
    const tally = this.#tally;
    tally.outcomes[heard.class]++;
    const isError = failsVersion(heard.class);
    const isLatency = isTimed(heard);
    if (isError !== undefined) this.#judge(heard, isError);
    if (isLatency) {
      tally.timed[heard.serverClass]++;
      recordLatency(histogramOf(tally, heard.serverClass), heard.latencyMs);
    }
    const isSlow = isLatency && heard.latencyMs > this.slowFrom[heard.serverClass];
    if (isError === true || isSlow) this.#keep(heard, isError === true, isLatency, body);
  }

  /** Ends a tick, and starts the next one. */
  take(): Tally {
    const { requests, failed, isEmpty, ...tally } = this.#tally;
    this.#tally = freshTally();
    return { ...emptyTally(), ...tally, groups: isEmpty ? NO_GROUPS : { requests, failed } };
  }

  #judge({ unit }: Heard, isError: boolean): void {
    const tally = this.#tally;
    const group = unit === undefined ? this.#next++ % GROUPS : groupOf(unit);
    tally.judged.trials++;
    tally.requests[group] = (tally.requests[group] ?? 0) + 1;
    tally.isEmpty = false;
    if (!isError) return;
    tally.judged.hits++;
    tally.failed[group] = (tally.failed[group] ?? 0) + 1;
  }

  #keep({ id, unit, latencyMs, serverClass }: Heard, isError: boolean, isTimed: boolean, body: Uint8Array): void {
    const { hits, examples } = this.#tally;
    if (hits.length < MOST_HITS)
      hits.push({
        unit: unit ?? unitOfRequest(id, body),
        isError,
        latencyMs: isTimed ? latencyMs : 0,
        serverClass,
      });
    const kept = isError ? examples.errors : examples.slow;
    if (kept.length < EXAMPLES) kept.push(id);
  }
}

const NO_GROUPS = { requests: [], failed: [] };

/** The tick's histogram of a class, made with its first latency. */
function histogramOf({ histograms }: ReturnType<typeof freshTally>, kind: ServerClass): Histogram {
  if (histograms[kind] === NO_LATENCIES) histograms[kind] = emptyHistogram();
  return histograms[kind];
}

function freshTally() {
  return {
    outcomes: { ...emptyTally().outcomes },
    judged: { ...NOTHING },
    timed: { cpu: 0, gpu: 0 },
    requests: new Array<number>(GROUPS).fill(0),
    failed: new Array<number>(GROUPS).fill(0),
    isEmpty: true,
    hits: [] as Hit[],
    histograms: { cpu: NO_LATENCIES, gpu: NO_LATENCIES },
    examples: { errors: [] as string[], slow: [] as string[] },
  };
}
