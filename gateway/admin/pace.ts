// Calls of the admin listener, one for each turn of the event loop, so that requests of applications come between them however
// many people, pages and scrapers call at once.
import type { FastifyInstance } from 'fastify';
import { SluiceError } from '../errors.ts';

/** Calls that may wait; a call takes some milliseconds at most, so this is about a second. */
const MOST_WAITING = 256;

/** Paces every route but the probes, which cost nothing and must be answered in any case. */
export function addPace(app: FastifyInstance): void {
  const waiting: (() => void)[] = [];
  const serveOne = () => {
    waiting.shift()?.();
    if (waiting.length > 0) setImmediate(serveOne);
  };
  // Once the body is here: what follows is the work.
  app.addHook('preHandler', ({ routeOptions }, _reply, done) => {
    if (routeOptions.config?.open === 'probe') return void done();
    if (waiting.length === MOST_WAITING) return void done(new SluiceError('ADMIN_BUSY'));
    waiting.push(done);
    if (waiting.length === 1) setImmediate(serveOne);
  });
}
