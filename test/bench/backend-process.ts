import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMicros } from '../support/process-tree.ts';
import type { BackendUrls, Seen } from './backend.ts';

/** Mirrored requests arrive after the answer that they are a copy of. */
const LAST_COPIES_MS = 2000;

/** The backend in its process, asked what it has seen. */
export class Backend {
  readonly urls: BackendUrls;
  readonly #process: ChildProcess;

  constructor(urls: BackendUrls, child: ChildProcess) {
    this.urls = urls;
    this.#process = child;
  }

  static async start(): Promise<Backend> {
    const child = fork(new URL('./backend.js', import.meta.url));
    const [urls] = (await once(child, 'message')) as [BackendUrls];
    return new Backend(urls, child);
  }

  /** What it has seen, once it is at least so much, or the time for late copies has passed; then it begins anew. */
  async take(least: Pick<Seen, 'all' | 'mirrored'>): Promise<Seen> {
    const giveUpAt = performance.now() + LAST_COPIES_MS;
    for (;;) {
      const seen = await this.#ask('look');
      if ((seen.all >= least.all && seen.mirrored >= least.mirrored) || performance.now() > giveUpAt) break;
      await sleep(20);
    }
    return this.#ask('forget');
  }

  get cpuMicros(): number {
    return cpuMicros(this.#process.pid ?? 0);
  }

  /** Freezes it (SIGSTOP), or wakes it (SIGCONT). */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(signal);
  }

  stop(): void {
    this.#process.kill('SIGKILL');
  }

  async #ask(wish: 'look' | 'forget'): Promise<Seen> {
    const answer = once(this.#process, 'message');
    this.#process.send(wish);
    const [seen] = (await answer) as [Seen];
    return seen;
  }
}
