import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Policy } from '../policy.ts';
import { PolicyError } from './load.ts';
import { type Piece, Unpacker } from './parcel.ts';

/** A policy with the text it came from, and the milliseconds it took. */
export type Loaded = { readonly policy: Policy; readonly text: string; readonly tookMs: number };

/** What the thread is asked: to load a file, then for one piece of the policy after the other. */
export type Request = { readonly kind: 'load'; readonly file: string } | { readonly kind: 'next' };

/** What the thread answers. */
export type LoadReport =
  | { readonly kind: 'good'; readonly text: string }
  | { readonly kind: 'piece'; readonly piece: Piece }
  | { readonly kind: 'mistakes'; readonly mistakes: string }
  | { readonly kind: 'bug'; readonly bug: string };

/** A policy takes milliseconds, a megabyte of one some seconds; longer means something hostile. */
const WITHIN_MS = 20_000;
/** Between two pieces: of the seconds that 10,000 models take to come in, requests notice as little as of any others. */
const PAUSE_MS = 5;

/**
 * Loads policies in a thread of its own, so that a large file costs no request anything. The thread remembers the last good
 * policy and refuses one that may not follow it. One load at a time.
 */
export class PolicyLoader {
  #worker: Worker | undefined;
  #settle: (report: LoadReport) => void = () => {};

  /** Reads and checks a file; `beside` says whether there are requests to go easy on. Rejects with PolicyError. */
  async load(file: string, beside: 'traffic' | 'nothing'): Promise<Loaded> {
    const start = performance.now();
    const report = await this.#ask({ kind: 'load', file });
    if (report.kind === 'good') {
      const policy = await this.#fetch(file, beside === 'traffic' ? PAUSE_MS : 0);
      return { text: report.text, policy, tookMs: Math.round(performance.now() - start) };
    }
    if (report.kind === 'mistakes') throw new PolicyError(report.mistakes);
    return this.#giveUp(file, report);
  }

  close(): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #fetch(file: string, pauseMs: number): Promise<Policy> {
    const unpacker = new Unpacker();
    for (;;) {
      const report = await this.#ask({ kind: 'next' });
      if (report.kind !== 'piece') return this.#giveUp(file, report);
      const policy = unpacker.take(report.piece);
      if (policy !== undefined) return policy;
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }

  #giveUp(file: string, report: LoadReport): never {
    this.close();
    throw new PolicyError(`${file}: ${report.kind === 'bug' ? report.bug : 'could not be checked'}`);
  }

  async #ask(request: Request): Promise<LoadReport> {
    this.#worker ??= this.#startWorker();
    const worker = this.#worker;
    let limit: NodeJS.Timeout | undefined;
    const report = await new Promise<LoadReport>((resolve) => {
      this.#settle = resolve;
      const bug = `could not be checked within ${WITHIN_MS / 1000} s`;
      limit = setTimeout(() => resolve({ kind: 'bug', bug }), WITHIN_MS);
      worker.postMessage(request);
    });
    clearTimeout(limit);
    return report;
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL('./load-worker.js', import.meta.url));
    worker.on('message', (report: LoadReport) => this.#settle(report));
    worker.on('error', ({ message }) => this.#settle({ kind: 'bug', bug: `could not be checked: ${message}` }));
    worker.on('exit', () => this.#settle({ kind: 'bug', bug: 'could not be checked: the loading thread ended' }));
    worker.unref(); // after the listeners: a message listener would hold the process again
    return worker;
  }
}
