// Starts the process that compares. It is no thread: V8 ends the whole process when a thread exceeds its memory within one
// call (JSON.parse of `[{},{},...]` on Node 24), and a comparison must never end the gateway.
import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import type { ComparisonBatch } from './batch.ts';
import type { Parcel } from './parcel.ts';
import type { CompareSpec } from './spec.ts';

export type ToProcess =
  | { readonly kind: 'specs'; readonly specs: ReadonlyMap<string, CompareSpec> }
  | { readonly kind: 'pairs'; readonly parcel: Parcel };

/** A hostile answer may unfold into many times its bytes: then this heap is full, and only this process ends. */
const HEAP_MB = 128;
/** Characters that are kept of what it prints: the reason of its end comes first. */
const MAX_PRINTED = 4096;

export type ProcessEvents = {
  readonly onBatch: (batch: ComparisonBatch) => void;
  /** It could not be started, or it ended. May be called more than once. */
  readonly onEnd: (error: Error) => void;
};

/** The process that compares, running. It does not keep the gateway's process alive, and ends with it. */
export class ComparingProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  constructor({ onBatch, onEnd }: ProcessEvents) {
    const child = fork(new URL('./compare-process.js', import.meta.url), {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      env: {}, // what reads hostile bytes gets no secret
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    let printed = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (printed.length < MAX_PRINTED) printed += text;
    });
    child.on('message', onBatch);
    child.on('error', onEnd);
    this.#ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        resolve();
        onEnd(new Error(`the comparing process ended (${signal ?? `exit code ${code}`})${reasonIn(printed)}`));
      });
    });
    // After the listeners: one for messages would hold the process again.
    child.unref();
    child.channel?.unref();
    (child.stderr as Socket | null)?.unref();
  }

  send(message: ToProcess): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** Ends it at once, whatever it is at. */
  async kill(): Promise<void> {
    if (this.#child.pid === undefined) return; // it never started
    this.#child.ref();
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** The line of what Node prints at its end that says why. */
function reasonIn(printed: string): string {
  const line = printed.split('\n').find((each) => /error|out of memory/i.test(each));
  return line === undefined ? '' : `: ${line.trim().slice(0, 200)}`;
}
