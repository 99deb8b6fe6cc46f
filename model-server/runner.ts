import { type ResourceLimits, Worker } from 'node:worker_threads';
import { badRequest, cleanReason, RequestError } from './errors.ts';
import type { Order, Report } from './session.ts';
import type { Signature } from './signature.ts';
import type { Tensor } from './tensors.ts';

/** A model the worker holds; `label` is what messages call it. */
export type Session = { readonly id: number; readonly label: string };

/** What came of a load: the signature, and what the operator should know. */
export type Loading = { readonly session: Session; readonly signature: Signature; readonly notes: readonly string[] };

/** One run asked for; a run that nobody waits for any more is dropped from the queue. */
export type Run = {
  readonly session: Session;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  readonly isWanted: () => boolean;
};

/** What came of a run, and where its time went. */
export type RunResult = {
  readonly outputs: readonly Tensor[];
  readonly queueSeconds: number;
  readonly runSeconds: number;
};

/** How a runner works: threads of one run, runs that may wait, and whom to tell if the worker dies. */
export type RunnerOptions = {
  readonly threads: number;
  readonly maxQueue: number;
  readonly onDeath: (error: Error) => void;
  readonly resourceLimits?: ResourceLimits;
};

const SESSION = new URL('./session.js', import.meta.url);

type Settle<T> = { readonly resolve: (value: T) => void; readonly reject: (error: Error) => void };
type Waiting = Run & Settle<RunResult> & { readonly since: number };
type Running = Waiting & { readonly id: number; readonly queueSeconds: number };
type LoadingSettle = Settle<Loading> & { readonly session: Session };

/** The main thread's side of the one worker: loads models, runs one request at a time, queues the others in order. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #queue: Waiting[] = [];
  readonly #loads = new Map<number, LoadingSettle>();
  #running: Running | undefined;
  #nextId = 1;
  #isClosing = false;
  #death: Error | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
    const { resourceLimits } = options;
    // onnxruntime 1.30 collects telemetry in the home folder; it reads this when the worker loads it.
    process.env.ORT_DISABLE_TELEMETRY ??= '1';
    this.#worker = new Worker(SESSION, resourceLimits === undefined ? {} : { resourceLimits });
    this.#worker.on('message', (report: Report) => this.#receive(report));
    this.#worker.on('error', (error) => this.#die(error));
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        if (!this.#isClosing || this.#isBusy()) {
          this.#die(new Error(`it exited with code ${code}`));
        }
        resolve();
      });
    });
  }

  /** How many runs wait for their turn. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether the worker lives and takes runs. */
  get isUp(): boolean {
    return this.#death === undefined && !this.#isClosing;
  }

  /** Loads and warms up a model file. */
  load(path: string, label: string): Promise<Loading> {
    return new Promise((resolve, reject) => {
      this.#checkUp();
      const id = this.#nextId++;
      this.#loads.set(id, { resolve, reject, session: { id, label } });
      this.#send({ kind: 'load', id, path, threads: this.#options.threads });
    });
  }

  /** Runs a model when its turn comes; refuses at once when too many wait. The inputs' memory moves to the worker. */
  run(run: Run): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      this.#checkUp();
      const { maxQueue } = this.#options;
      if (this.#isFull()) {
        this.#dropUnwanted();
      }
      if (this.#isFull()) {
        throw new RequestError(
          'queue_full',
          `the run queue is full: ${maxQueue} requests wait already; try again later`,
        );
      }
      this.#queue.push({ ...run, resolve, reject, since: performance.now() });
      this.#startNext();
    });
  }

  /** Takes no more runs, lets those in flight and in the queue finish, then lets the worker end by itself. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#isBusy() && this.#death === undefined) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    this.#send({ kind: 'close' });
    await this.#ended;
  }

  #checkUp(): void {
    if (this.#death !== undefined) {
      throw new RequestError('internal', 'the inference thread has ended');
    }
    if (this.#isClosing) {
      throw new RequestError('draining', 'this server is shutting down');
    }
  }

  #startNext(): void {
    while (this.#running === undefined) {
      const next = this.#queue.shift();
      if (next === undefined) {
        return;
      }
      if (next.isWanted()) {
        this.#start(next);
      } else {
        drop(next);
      }
    }
  }

  #isFull(): boolean {
    return this.#running !== undefined && this.#queue.length >= this.#options.maxQueue;
  }

  #dropUnwanted(): void {
    for (const waiting of this.#queue.splice(0)) {
      if (waiting.isWanted()) {
        this.#queue.push(waiting);
      } else {
        drop(waiting);
      }
    }
  }

  #start(next: Waiting): void {
    const id = this.#nextId++;
    this.#running = { ...next, id, queueSeconds: (performance.now() - next.since) / 1000 };
    const { session, inputs, outputs } = next;
    const memory = inputs.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer]));
    this.#send({ kind: 'run', id, session: session.id, inputs, outputs }, memory);
  }

  #send(order: Order, memory: ArrayBuffer[] = []): void {
    this.#worker.postMessage(order, memory);
  }

  #receive(report: Report): void {
    if (this.#running?.id === report.id) {
      const running = this.#running;
      this.#running = undefined;
      settleRun(running, report);
      this.#startNext();
    } else {
      settleLoad(this.#loads.get(report.id), report);
      this.#loads.delete(report.id);
    }
    this.#checkIdle();
  }

  #isBusy(): boolean {
    return this.#running !== undefined || this.#queue.length > 0 || this.#loads.size > 0;
  }

  #checkIdle(): void {
    if (!this.#isBusy()) {
      this.#whenIdle?.();
    }
  }

  #die(cause: Error): void {
    if (this.#death !== undefined) {
      return;
    }
    this.#death = new Error(`the inference thread died: ${cause.message}`, { cause });
    const lost = [...(this.#running ? [this.#running] : []), ...this.#queue.splice(0), ...this.#loads.values()];
    this.#running = undefined;
    this.#loads.clear();
    for (const each of lost) {
      each.reject(new RequestError('internal', 'the inference thread died during this request'));
    }
    this.#checkIdle();
    this.#options.onDeath(this.#death);
  }
}

// The caller's input was at fault if the runtime refused it before the first node ran.
const REFUSED_INPUT = /^(Got invalid dimensions for input|Invalid rank for input|Unexpected input data type)/;

function drop(waiting: Waiting): void {
  waiting.reject(new RequestError('client_left', 'the client left before its turn came'));
}

function settleRun(running: Running, report: Report): void {
  const { label } = running.session;
  if (report.kind === 'ran') {
    running.resolve({ outputs: report.outputs, queueSeconds: running.queueSeconds, runSeconds: report.seconds });
  } else if (report.kind === 'failed' && REFUSED_INPUT.test(report.message)) {
    running.reject(badRequest(`${label} refused the input: ${cleanReason(report.message)}`));
  } else if (report.kind === 'failed') {
    running.reject(new RequestError('run_failed', `${label} failed: ${cleanReason(report.message)}`));
  }
}

function settleLoad(loading: LoadingSettle | undefined, report: Report): void {
  if (report.kind === 'loaded') {
    loading?.resolve({ session: loading.session, signature: report.signature, notes: report.notes });
  } else if (report.kind === 'failed') {
    loading?.reject(new Error(cleanReason(report.message)));
  }
}
