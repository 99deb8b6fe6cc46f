import type { Logger } from './log.ts';

/** The same trouble is logged again after this long, with how often it came meanwhile. */
const AGAIN_MS = 60_000;
/** Causes that are remembered at one time. */
const MOST_CAUSES = 100;

/**
 * Logs errors of what is done again and again: each cause once, and then at most once a minute. `what` says which part has failed,
 * such as `the judge`.
 */
export function troubleLog(log: Logger, what: string, now = () => performance.now()): (error: unknown) => void {
  const causes = new Map<string, { readonly loggedAt: number; suppressed: number }>();
  return (error) => {
    const cause = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const known = causes.get(cause);
    if (known !== undefined && now() - known.loggedAt < AGAIN_MS) {
      known.suppressed++;
      return;
    }
    causes.delete(cause);
    causes.set(cause, { loggedAt: now(), suppressed: 0 });
    const [oldest] = causes.keys();
    if (causes.size > MOST_CAUSES && oldest !== undefined) causes.delete(oldest);
    const { suppressed = 0 } = known ?? {};
    log.error({ err: error, ...(suppressed > 0 && { suppressed }) }, what);
  };
}
