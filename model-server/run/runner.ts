import { badRequest, cleanReason, RequestError } from '../errors.ts';
import { type BatchLimits, type Candidate, keyOf, nextBatch } from './batch.ts';
import type { Instance } from './instance.ts';
import { Line } from './line.ts';
import type { Execution, PartResult, RunReport } from './session.ts';
import type { Tensor } from './tensors.ts';

/** One run asked for; 1 is the first priority. */
export type Run = {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  readonly priority?: number | undefined;
};

/** What came of a run, and where its time went; `rows` are those of the whole batch it was part of. */
export type RunResult = {
  readonly outputs: readonly Tensor[];
  readonly queueSeconds: number;
  readonly runSeconds: number;
  readonly rows: number;
};

/** A run in the line: its result, and a way to give it up while it still waits. */
export type Ticket = {
  readonly result: Promise<RunResult>;
  /** Takes the run out of the line and rejects its result with `reason`; without effect once it runs. */
  readonly cancel: (reason: RequestError) => void;
};

/** How a runner works; `onExecution` hears of every call of the runtime. */
export type RunnerOptions = {
  /** What messages call the model. */
  readonly label: string;
  readonly maxQueue: number;
  readonly priority: number;
  /** Whether the first dimension of each tensor counts rows. */
  readonly hasRows: boolean;
  readonly batching: BatchLimits | undefined;
  readonly onExecution: (execution: Execution) => void;
};

type Waiting = Run &
  Candidate & {
    readonly priority: number;
    readonly resolve: (result: RunResult) => void;
    readonly reject: (error: Error) => void;
  };

/** The line before the instances of one version: who waits, who runs next and together with whom. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #instances: readonly Instance[];
  readonly #line = new Line<Waiting>();
  #running = 0;
  #inside = 0;
  #isClosing = false;
  #failure: RequestError | undefined;
  #stopWaiting: () => void = () => undefined;
  #whenIdle: (() => void) | undefined;

  constructor(instances: readonly Instance[], options: RunnerOptions) {
    this.#instances = instances;
    this.#options = options;
  }

  /** How many requests wait for their turn. */
  get waiting(): number {
    return this.#line.length;
  }

  /** How many requests are inside the runtime. */
  get running(): number {
    return this.#running;
  }

  /** Notes a request that will or may submit a run: until the function it answers is called, the runner does not end. */
  enter(): () => void {
    this.#inside++;
    return () => {
      this.#inside--;
      this.#checkIdle();
    };
  }

  /** Queues a run and starts it when its turn comes; throws at once when too many wait. */
  submit(run: Run): Ticket {
    const { maxQueue, label } = this.#options;
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    if (this.#isClosing && this.#inside === 0) {
      throw new RequestError('draining', `${label} is being taken out of service; try again`);
    }
    if (this.#line.length >= maxQueue + this.#room()) {
      throw new RequestError(
        'queue_full',
        `the run queue of ${label} is full: ${maxQueue} requests wait already; try again later`,
      );
    }
    const { promise, resolve, reject } = settler<RunResult>();
    const waiting: Waiting = { ...run, ...this.#candidate(run), resolve, reject };
    this.#line.join(waiting);
    this.#startNext();
    return { result: promise, cancel: (reason) => this.#cancel(waiting, reason) };
  }

  /** Takes no more requests, lets those inside, in the line and in flight finish, then lets the instances end. */
  async close(): Promise<void> {
    this.#isClosing = true;
    // Nobody joins the last ones any more.
    this.#startNext();
    if (this.#isBusy()) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    await Promise.all(this.#instances.map((instance) => instance.close()));
  }

  /** Fails everybody who waits and whoever comes; for when an instance has died. */
  fail(reason: RequestError): void {
    this.#failure = reason;
    for (const waiting of this.#line.empty()) {
      waiting.reject(reason);
    }
    this.#checkIdle();
  }

  /** How many more may join because an instance is free for them. */
  #room(): number {
    const perRun = this.#options.batching?.maxRows ?? 1;
    return perRun * this.#instances.filter(({ isIdle }) => isIdle).length;
  }

  #candidate({ inputs, priority }: Run): Candidate & { readonly priority: number } {
    const { hasRows, batching } = this.#options;
    return {
      rows: hasRows ? (inputs[0]?.shape[0] ?? 1) : 1,
      key: batching === undefined ? '' : keyOf(inputs),
      since: performance.now(),
      priority: priority ?? this.#options.priority,
    };
  }

  #cancel(waiting: Waiting, reason: RequestError): void {
    if (this.#line.leave(waiting)) {
      waiting.reject(reason);
      this.#checkIdle();
    }
  }

  #startNext(): void {
    this.#stopWaiting();
    for (const instance of this.#instances) {
      const [head, ...others] = this.#line.all;
      if (!instance.isIdle || head === undefined) {
        continue;
      }
      const next = nextBatch([head, ...others], this.#limits(), performance.now());
      if ('waitMs' in next) {
        this.#stopWaiting = wait(next.waitMs, () => this.#startNext());
        return;
      }
      void this.#run(instance, next.take);
    }
  }

  #limits(): BatchLimits | undefined {
    const { batching } = this.#options;
    return batching !== undefined && this.#isClosing ? { ...batching, delayMs: 0 } : batching;
  }

  async #run(instance: Instance, batch: readonly Waiting[]): Promise<void> {
    this.#line.take(batch);
    this.#running += batch.length;
    const started = performance.now();
    const settle = await instance.run(batch.map(({ inputs, outputs, rows }) => ({ inputs, outputs, rows }))).then(
      (report) => () => this.#settle(batch, report, started),
      (error: Error) => () => failAll(batch, error),
    );
    this.#running -= batch.length;
    // The next run first: answering takes time in which the instance would idle.
    this.#startNext();
    settle();
    this.#checkIdle();
  }

  #settle(batch: readonly Waiting[], { results, executions }: RunReport, started: number): void {
    executions.forEach(this.#options.onExecution);
    const runSeconds = executions.reduce((sum, execution) => sum + execution.runSeconds, 0);
    const rows = batch.reduce((sum, waiting) => sum + waiting.rows, 0);
    batch.forEach(({ since, resolve, reject }, index) => {
      const result = results[index];
      if (result !== undefined && 'outputs' in result) {
        resolve({ outputs: result.outputs, queueSeconds: (started - since) / 1000, runSeconds, rows });
      } else {
        reject(failureOf(this.#options.label, result));
      }
    });
  }

  #checkIdle(): void {
    if (!this.#isBusy()) {
      this.#whenIdle?.();
    }
  }

  #isBusy(): boolean {
    return this.#running > 0 || this.#line.length > 0 || this.#inside > 0;
  }
}

// The caller's input was at fault if the runtime refused it before the first node ran.
const REFUSED_INPUT = /^(Got invalid dimensions for input|Invalid rank for input|Unexpected input data type)/;

function failureOf(label: string, result: Extract<PartResult, { failure: string }> | undefined): RequestError {
  const message = result?.failure ?? 'no result';
  return REFUSED_INPUT.test(message)
    ? badRequest(`${label} refused the input: ${cleanReason(message)}`)
    : new RequestError('run_failed', `${label} failed: ${cleanReason(message)}`);
}

function failAll(batch: readonly Waiting[], cause: Error): void {
  const reason = new RequestError('internal', 'the inference thread died during this request', { cause });
  for (const { reject } of batch) {
    reject(reason);
  }
}

/** Calls back after so many milliseconds, to the microsecond where a timer of whole milliseconds would be too coarse. */
function wait(ms: number, done: () => void): () => void {
  if (ms >= 1) {
    const timer = setTimeout(done, ms);
    return () => clearTimeout(timer);
  }
  // Others get their turn in between; whoever is called back looks at the clock again.
  const immediate = setImmediate(done);
  return () => clearImmediate(immediate);
}

function settler<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((whenDone, whenFailed) => {
    resolve = whenDone;
    reject = whenFailed;
  });
  return { promise, resolve, reject };
}
