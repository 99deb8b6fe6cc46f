import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Listening } from './lifecycle.ts';

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url));

/**
 * glibc gives the memory of an unloaded model back to the system only when it came from mmap, and keeps what it frees in an
 * arena for each thread: mallopt(3). It reads both settings when a process starts.
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_ARENA_MAX: '2' };

export type ChildOptions = {
  readonly env?: Readonly<Record<string, string>>;
  /** Where its output goes; the parent's by default. */
  readonly output?: 'inherit' | 'pipe';
};

/** A `sluice` command running as a process of its own. It ends when this process does, whatever ends this one. */
export class Child {
  readonly process: ChildProcess;
  /** Where it listens, once it does; rejects when it exits before. */
  readonly listening: Promise<Listening>;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;

  readonly #command: string;

  constructor(args: readonly string[], { env = {}, output = 'inherit' }: ChildOptions = {}) {
    this.#command = args[0] ?? '';
    this.process = spawn(process.execPath, ['--enable-source-maps', MAIN, ...args], {
      // A process group of its own: Ctrl-C reaches the parent alone, which then stops its children in the right order.
      detached: true,
      stdio: ['ignore', output, output, 'ipc'],
      env: { ...(this.#command === 'model-server' ? ALLOCATOR : {}), ...process.env, ...env },
    });
    this.exited = once(this.process, 'exit').then(([code, signal]) => code ?? signal);
    const told = once(this.process, 'message').then(([listening]) => listening as Listening);
    const early = this.exited.then((code) => {
      throw new ChildExit(this.#command, code);
    });
    this.listening = Promise.race([told, early]);
    this.listening.catch(() => {}); // whoever awaits it hears of it; nobody else need
  }

  /** Asks it to end and waits until it has; one that does not, because it is frozen say, is killed. */
  async stop(withinMs = 10_000): Promise<number | NodeJS.Signals> {
    this.signal('SIGTERM');
    const kill = setTimeout(() => {
      console.error(`sluice ${this.#command} did not end within ${withinMs / 1000} s and is killed`);
      this.signal('SIGKILL');
    }, withinMs);
    return this.exited.finally(() => clearTimeout(kill));
  }

  /** Sends a signal, unless it has ended already. */
  signal(signal: NodeJS.Signals): void {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal);
  }
}

/** A child that ended before it listened. It has already said why. */
export class ChildExit extends Error {
  readonly code: number | NodeJS.Signals;

  constructor(command: string, code: number | NodeJS.Signals) {
    super(`sluice ${command} ended with ${code} before it was ready`);
    this.code = code;
  }
}
