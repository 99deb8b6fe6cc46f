import { classOfFault, readAnswer } from './dialect.ts';
import type { Result } from './exchange.ts';
import type { Seat } from './seat.ts';

/**
 * What one attempt says about the server and the version there. A server is judged by whether it answers, not by what the
 * model says: failing runs must not eject it. `since` is when it was asked, `timeoutMs` what a version may take.
 */
export function noteHealth(seat: Seat, result: Result, since: number, timeoutMs: number): void {
  const now = performance.now();
  const tookMs = now - since;
  const { health, spec } = seat.server;
  if (result.kind === 'dropped') return;
  if (result.kind === 'fault') {
    if (classOfFault(result.fault) !== 'model_fault') return;
    // A repeat that had only the rest of the time says nothing when that was too short.
    if (result.fault === 'deadline' && tookMs < timeoutMs / 2) return;
    health.failed(now);
    if (result.fault === 'broken' && !result.isStarted) seat.server.brokeOff(now);
    seat.took(Math.max(tookMs, timeoutMs), now); // or a server that refuses at once would look like the fastest
    return;
  }
  const { isNotReady, class: outcome } = readAnswer(spec.kind, result.status, result.body);
  if (isNotReady) seat.noteReady(false, now);
  // "Loading" or "draining" is no reason to leave a healthy server alone, and none to take a broken one back.
  if (result.status === 503 && health.standing(now) !== 'healthy') health.failed(now);
  else health.succeeded(now);
  seat.server.answered(now);
  // A server that has too much says so quickly, and must not look like the fastest for it.
  seat.took(outcome === 'shed' ? Math.max(tookMs, timeoutMs) : tookMs, now);
}
