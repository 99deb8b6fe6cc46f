import { bucketOf, emptyHistogram } from '../../../gateway/judge/evidence/histogram.ts';
import { emptyTally, GROUPS, groupOf, type Hit, type Tally } from '../../../gateway/judge/evidence/tally.ts';

/** What became of a request. `isTimed`: its latency counts. */
export type Result = {
  readonly kind: 'ok' | 'model_fault' | 'timeout' | 'server_fault';
  readonly unit: number;
  readonly server: string;
  readonly latencyMs: number;
  readonly isTimed: boolean;
};

const NOTHING = emptyTally();
const EMPTY = NOTHING.histograms.gpu;

/** Counts what one arm does in one second at one gateway. Latencies of the candidate go into no histogram. */
export class Counts {
  readonly #slowFromMs: number;
  readonly #histogram: Uint32Array | undefined;
  readonly #requests: number[] = new Array(GROUPS).fill(0);
  #failed: number[] | undefined;
  readonly #hits: Hit[] = [];
  #trials = 0;
  #failures = 0;
  #timed = 0;
  #serverFaults = 0;

  constructor(slowFromMs: number, hasHistogram: boolean) {
    this.#slowFromMs = slowFromMs;
    this.#histogram = hasHistogram ? emptyHistogram() : undefined;
  }

  /** An answer that is neither a failure nor slow. */
  addOrdinary(group: number, bucket: number): void {
    this.#addTrial(group);
    this.#addTimed(bucket);
  }

  add({ kind, unit, latencyMs, isTimed }: Result): void {
    if (kind === 'server_fault') {
      this.#serverFaults++;
      return;
    }
    const group = groupOf(unit);
    this.#addTrial(group);
    const isError = kind !== 'ok';
    if (isError) this.#addFailure(group);
    if (isTimed) this.#addTimed(bucketOf(latencyMs));
    if (!isError && !(isTimed && latencyMs > this.#slowFromMs)) return;
    this.#hits.push({ unit, isError, latencyMs: isTimed ? latencyMs : 0, serverClass: 'cpu' });
  }

  tally(): Tally {
    const failed = this.#failures;
    const outcomes = { ...NOTHING.outcomes, ok: this.#trials - failed, model_fault: failed };
    outcomes.server_fault = this.#serverFaults;
    return {
      outcomes,
      repeats: 0,
      judged: { trials: this.#trials, hits: failed },
      timed: { cpu: this.#timed, gpu: 0 },
      groups: { requests: this.#trials === 0 ? [] : this.#requests, failed: this.#failed ?? [] },
      hits: this.#hits,
      histograms: { cpu: this.#histogram ?? EMPTY, gpu: EMPTY },
      examples: NOTHING.examples,
    };
  }

  #addTrial(group: number): void {
    this.#trials++;
    this.#requests[group] = (this.#requests[group] ?? 0) + 1;
  }

  #addTimed(bucket: number): void {
    this.#timed++;
    if (this.#histogram === undefined) return;
    this.#histogram[bucket] = (this.#histogram[bucket] ?? 0) + 1;
  }

  #addFailure(group: number): void {
    this.#failures++;
    this.#failed ??= new Array(GROUPS).fill(0);
    this.#failed[group] = (this.#failed[group] ?? 0) + 1;
  }
}
