import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import type { Lifecycle } from './lifecycle.ts';

/** Looks at the repository again and again, `intervalMs` after the last look ended, until it is stopped. */
export function pollRepository(lifecycle: Lifecycle, intervalMs: number, log: Logger): () => void {
  let isStopped = false;
  const look = () => {
    lifecycle
      .sync()
      .catch((error: unknown) =>
        log.error({ reason: messageOf(error) }, 'the repository cannot be read; what is loaded stays'),
      )
      .finally(() => {
        if (!isStopped) {
          timer = setTimeout(look, intervalMs);
        }
      });
  };
  let timer = setTimeout(look, intervalMs);
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
