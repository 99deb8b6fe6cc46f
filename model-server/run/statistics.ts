import type { Execution } from './session.ts';

/** A count and the nanoseconds that went with it, both since the version was loaded. */
export type Duration = { readonly count: number; readonly ns: number };

/** One entry of `model_stats` in Triton's statistics extension; durations of what this server has no cache for stay 0. */
export type ModelStatistics = {
  readonly name: string;
  readonly version: string;
  readonly last_inference: number;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<string, Duration>>;
  readonly response_stats: Readonly<Record<string, never>>;
  readonly batch_stats: readonly BatchStatistics[];
  readonly memory_usage: readonly { readonly type: string; readonly id: number; readonly byte_size: number }[];
};

/** What runs of one batch size took; size 0 is all further sizes together. */
export type BatchStatistics = {
  readonly batch_size: number;
  readonly compute_input: Duration;
  readonly compute_infer: Duration;
  readonly compute_output: Duration;
};

/** Batch sizes that are counted one by one: callers choose them. Further sizes are counted together, as size 0. */
const MAX_SIZES = 256;
const OTHER_SIZES = 0;

type Tally = { count: number; seconds: number };
type BatchTally = { readonly input: Tally; readonly infer: Tally; readonly output: Tally };

/** Cumulative figures of one loaded version, of the kind that can be subtracted between two looks. */
export class Statistics {
  readonly #success = tally();
  readonly #fail = tally();
  readonly #queue = tally();
  readonly #batches = new Map<number, BatchTally>();
  #rows = 0;
  #lastMs = 0;

  /** Counts a request that was answered: its time in the line, and in all. */
  succeeded(queueSeconds: number, totalSeconds: number): void {
    add(this.#queue, queueSeconds);
    add(this.#success, totalSeconds);
  }

  /** Counts a request that failed after so many seconds. */
  failed(totalSeconds: number): void {
    add(this.#fail, totalSeconds);
  }

  /** Counts a call of the runtime; those that failed are none of the protocol's executions. */
  executed({ succeeded, rows, joinSeconds, runSeconds, splitSeconds }: Execution, nowMs: number): void {
    if (!succeeded) {
      return;
    }
    const size = this.#batches.has(rows) || this.#batches.size < MAX_SIZES ? rows : OTHER_SIZES;
    const batch = this.#batches.get(size) ?? { input: tally(), infer: tally(), output: tally() };
    this.#batches.set(size, batch);
    add(batch.input, joinSeconds);
    add(batch.infer, runSeconds);
    add(batch.output, splitSeconds);
    this.#rows += rows;
    this.#lastMs = nowMs;
  }

  /** The figures as the protocol writes them; `bytes` are those of the model in memory. */
  toModelStatistics(name: string, version: string, bytes: number): ModelStatistics {
    const batches = [...this.#batches].sort(([a], [b]) => a - b);
    const sum = (part: keyof BatchTally) => {
      const all = batches.map(([, batch]) => batch[part]);
      return duration({ count: total(all, 'count'), seconds: total(all, 'seconds') });
    };
    const none = { count: 0, ns: 0 };
    return {
      name,
      version,
      last_inference: this.#lastMs,
      inference_count: this.#rows,
      execution_count: sum('infer').count,
      inference_stats: {
        success: duration(this.#success),
        fail: duration(this.#fail),
        queue: duration(this.#queue),
        compute_input: sum('input'),
        compute_infer: sum('infer'),
        compute_output: sum('output'),
        cache_hit: none,
        cache_miss: none,
      },
      response_stats: {},
      batch_stats: batches.map(([size, { input, infer, output }]) => ({
        batch_size: size,
        compute_input: duration(input),
        compute_infer: duration(infer),
        compute_output: duration(output),
      })),
      memory_usage: [{ type: 'CPU', id: 0, byte_size: bytes }],
    };
  }
}

function tally(): Tally {
  return { count: 0, seconds: 0 };
}

function add(to: Tally, seconds: number): void {
  to.count++;
  to.seconds += seconds;
}

function total(all: readonly Tally[], field: keyof Tally): number {
  return all.reduce((sum, each) => sum + each[field], 0);
}

function duration({ count, seconds }: Tally): Duration {
  return { count, ns: Math.round(seconds * 1e9) };
}
