import { type ResourceLimits, Worker } from 'node:worker_threads';
import { cleanReason } from '../errors.ts';
import type { OpenedModel, Opening, Order, Part, Report, RunReport } from './session.ts';
import { memoryOf } from './tensors.ts';

const SESSION = new URL('./session.js', import.meta.url);

type Settle = { readonly resolve: (report: Report) => void; readonly reject: (error: Error) => void };

/** One worker thread with one model in it: opens it, runs it, one order at a time. */
export class Instance {
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #onDeath: (cause: Error) => void;
  #pending: Settle | undefined;
  #isClosing = false;
  #death: Error | undefined;

  /** `onDeath` is told once if the thread ends before it was asked to; what it was at is rejected then. */
  constructor(onDeath: (cause: Error) => void, resourceLimits?: ResourceLimits) {
    this.#onDeath = onDeath;
    // onnxruntime 1.30 collects telemetry in the home folder; it reads this when the worker loads it.
    process.env.ORT_DISABLE_TELEMETRY ??= '1';
    this.#worker = new Worker(SESSION, resourceLimits === undefined ? {} : { resourceLimits });
    this.#worker.on('message', (report: Report) => this.#settle((pending) => pending.resolve(report)));
    this.#worker.on('error', (error) => this.#die(error));
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        if (!this.#isClosing) {
          this.#die(new Error(`it exited with code ${code}`));
        }
        resolve();
      });
    });
  }

  /** Whether the next run can start at once. */
  get isIdle(): boolean {
    return this.#pending === undefined && this.#death === undefined && !this.#isClosing;
  }

  /** Opens a model; rejects with the runtime's reason. */
  async open(opening: Opening): Promise<OpenedModel> {
    const report = await this.#order({ kind: 'open', opening });
    if (report.kind === 'opened') {
      return report;
    }
    throw new Error(report.kind === 'failed' ? cleanReason(report.message) : 'the worker answered something else');
  }

  /** Runs requests together; the memory of their inputs moves to the worker. */
  async run(parts: readonly Part[]): Promise<RunReport> {
    const report = await this.#order({ kind: 'run', parts }, memoryOf(parts.flatMap(({ inputs }) => inputs)));
    if (report.kind === 'ran') {
      return report;
    }
    throw new Error(report.kind === 'failed' ? report.message : 'the worker answered something else');
  }

  /** Lets the order in progress finish, releases the model and lets the thread end by itself. */
  async close(): Promise<void> {
    this.#isClosing = true;
    // Orders are obeyed in turn, so this one comes after a run in progress: ending a thread within one aborts the process.
    this.#worker.postMessage({ kind: 'close' } satisfies Order);
    await this.#ended;
  }

  #order(order: Order, memory: ArrayBuffer[] = []): Promise<Report> {
    return new Promise((resolve, reject) => {
      if (!this.isIdle) {
        throw this.#death ?? new Error('this instance is busy or closing');
      }
      this.#pending = { resolve, reject };
      this.#worker.postMessage(order, memory);
    });
  }

  #settle(how: (pending: Settle) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) {
      how(pending);
    }
  }

  #die(cause: Error): void {
    if (this.#death !== undefined) {
      return;
    }
    const death = new Error(`the inference thread died: ${cause.message}`, { cause });
    this.#death = death;
    this.#settle((pending) => pending.reject(death));
    this.#onDeath(death);
  }
}
