import { type Call, isFailure } from '../flow.ts';
import { classOfFault, readAnswer } from './dialect.ts';
import type { Result } from './exchange.ts';
import type { Seat } from './fleet/seat.ts';

/** One attempt: what was asked, when, and what a version may take. */
export type Attempt = { readonly call: Call; readonly since: number; readonly timeoutMs: number };

/**
 * What one attempt says about the server and the version there. A server is judged by whether it answers, not by what the
 * model says: failing runs must not eject it.
 */
export function noteHealth(seat: Seat, result: Result, { call, since, timeoutMs }: Attempt): void {
  const now = performance.now();
  const tookMs = now - since;
  const { health, spec } = seat.server;
  if (result.kind === 'dropped') return;
  if (result.kind === 'fault') {
    // An answer that this gateway did not take is an answer of the server.
    if (classOfFault(result.fault) === 'own_limit') health.succeeded(now);
    if (!isFailure(classOfFault(result.fault))) return;
    // A repeat that had only the rest of the time says nothing when that was too short.
    if (result.fault === 'deadline' && tookMs < timeoutMs / 2) return;
    health.failed(now);
    if (result.fault === 'unreachable') seat.cooled();
    if (result.fault === 'broken' && !result.isStarted) seat.server.brokeOff(now);
    seat.took(Math.max(tookMs, timeoutMs), now); // or a server that refuses at once would look like the fastest
    return;
  }
  const { isNotReady, class: outcome } = readAnswer(spec.kind, call, result);
  if (isNotReady) seat.noteReady(false, now);
  // "Loading" or "draining" is no reason to leave a healthy server alone, and none to take a broken one back.
  if (result.status === 503 && health.standing(now) !== 'healthy') health.failed(now);
  else health.succeeded(now);
  if (outcome === 'ok' || outcome === 'model_fault') seat.ran();
  seat.server.answered(now);
  // It says nothing of how long an answer takes here; and callers who claim to have passed gateways must not move traffic.
  if (outcome === 'own_limit') return;
  // A server that has too much says so quickly, and must not look like the fastest for it.
  seat.took(outcome === 'shed' ? Math.max(tookMs, timeoutMs) : tookMs, now);
}
