// How a server process of ours tells its parent that it listens, and how it ends.
import { UserError } from '../errors.ts';

/** What a server tells the process that started it, if one listens. */
export type Listening = { readonly url: string; readonly adminUrl?: string };

/** Tells the parent process where this one listens. Without a parent that asked for it, nothing happens. */
export function tellParent(listening: Listening): void {
  process.send?.(listening);
}

/**
 * Runs until SIGTERM, SIGINT or the loss of the parent that started us, then closes and exits 0.
 * A second signal ends the process at once, after `abandon`: SIGKILL, because exiting during a native run would abort it
 * loudly.
 */
export function closeOnSignal(close: () => Promise<void>, abandon: () => void = () => {}): void {
  let closing = false;
  const stop = () => {
    if (closing) {
      abandon();
      process.kill(process.pid, 'SIGKILL');
    }
    closing = true;
    close().then(() => process.exit(0), fail);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('disconnect', stop);
}

/** Ends the process: one line for a mistake of the user's, the whole stack for ours. */
export function fail(error: unknown): never {
  if (error instanceof UserError) console.error(`sluice: ${error.message.replaceAll('\n', '\nsluice: ')}`);
  else console.error('sluice: internal error', error);
  process.exit(error instanceof UserError ? error.exitCode : 70);
}
