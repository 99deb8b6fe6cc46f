// How a server process of ours tells its parent that it listens, and how it ends.
import { UserError } from '../../errors.ts';
import { handedOn } from '../../observe/log-output.ts';

/** What a server tells the process that started it, if one listens. */
export type Listening = { readonly url: string; readonly adminUrl?: string };

/** Tells the parent process where this one listens. Without a parent that asked for it, nothing happens. */
export function tellParent(listening: Listening): void {
  if (process.connected) process.send?.(listening);
}

/** The exit code for an error of ours, EX_SOFTWARE of sysexits.h. */
const INTERNAL = 70;
/** What a shell and a container runtime say of a process that was killed: 128 and the number of the signal. */
const KILLED = 128 + 9;
/** How long a process that has failed may take to answer what is in flight. */
const LAST_ANSWERS_MS = 30_000;

/** Begins the end of a server process, with this exit code; there is one once it serves. */
let beginEnd: ((exitCode: number) => void) | undefined;

/** How long the last lines of a log may take to be read. */
const LAST_LINES_MS = 500;

const SIGNALS = { SIGTERM: 15, SIGINT: 2 } as const;

/**
 * For the first process of a container, which Linux gives no default for signals (pid_namespaces(7)): a signal that comes
 * before `closeOnSignal` ends the process, as it does everywhere else, and does not wait for SIGKILL.
 */
export function endOnSignal(): void {
  if (process.pid !== 1) return;
  for (const signal of Object.keys(SIGNALS)) process.on(signal, endAtOnce);
}

function endAtOnce(signal: keyof typeof SIGNALS): never {
  process.exit(128 + SIGNALS[signal]);
}

/** A terminal and npm each pass on one Ctrl-C; nobody means a second one so soon. */
const SAME_SIGNAL_MS = 1000;

/**
 * Runs until SIGTERM, SIGINT or the loss of the parent that started us, then closes and exits 0.
 * A second signal, a second later or more, ends the process at once, after `abandon`: SIGKILL, because exiting during a native
 * run would abort it loudly. As the first process of a container it is safe from its own SIGKILL (pid_namespaces(7)), and exits.
 */
export function closeOnSignal(close: () => Promise<void>, abandon: () => void = () => {}): void {
  let closingSince: number | undefined;
  let exitCode = 0;
  const stop = () => {
    if (closingSince !== undefined && performance.now() - closingSince < SAME_SIGNAL_MS) return;
    if (closingSince !== undefined) {
      abandon();
      process.kill(process.pid, 'SIGKILL');
      process.exit(KILLED);
    }
    closingSince = performance.now();
    close()
      .then(() => handedOn([process.stdout, process.stderr], LAST_LINES_MS))
      .then(() => process.exit(exitCode), fail);
  };
  beginEnd = (code) => {
    exitCode = code;
    if (closingSince === undefined) stop();
  };
  for (const signal of Object.keys(SIGNALS)) process.off(signal, endAtOnce).on(signal, stop);
  process.on('disconnect', stop);
}

/**
 * For an error that nothing caught: nobody knows what state the process is in, so it tells the error, answers what is
 * in flight within a bound and exits 70, to be started afresh.
 */
export function failUncaught(error: unknown): void {
  if (beginEnd === undefined || error instanceof UserError) fail(error);
  console.error('sluice: internal error; ending after the answers in flight', error);
  setTimeout(() => process.exit(INTERNAL), LAST_ANSWERS_MS).unref();
  beginEnd(INTERNAL);
}

/** Ends the process: one line for a mistake of the user's, the whole stack for ours. */
export function fail(error: unknown): never {
  if (error instanceof UserError) console.error(`sluice: ${error.message.replaceAll('\n', '\nsluice: ')}`);
  else console.error('sluice: internal error', error);
  process.exit(error instanceof UserError ? error.exitCode : INTERNAL);
}
