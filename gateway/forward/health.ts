// What a server's recent results say about it. Pure: the clock is an argument, in milliseconds of any monotonic source.

/** Results in a row after which a server is left alone for a while. */
const EJECT_AFTER = 3;
const FIRST_EJECTION_MS = 1000;
const LONGEST_EJECTION_MS = 30_000;

export type Health = {
  /** Failures since the last success. */
  readonly failures: number;
  /** Until when the server is left alone. */
  readonly ejectedUntil: number;
};

export type Standing = 'healthy' | 'probing' | 'ejected';

export const HEALTHY: Health = { failures: 0, ejectedUntil: 0 };

/** Health after a request the server failed to answer: unreachable, broken or too late. */
export function afterFailure(health: Health, now: number): Health {
  // What was in flight when the server was ejected fails with it: the same event, not a failed probe.
  if (now < health.ejectedUntil) return health;
  const failures = health.failures + 1;
  if (failures < EJECT_AFTER) return { failures, ejectedUntil: 0 };
  const length = Math.min(FIRST_EJECTION_MS * 2 ** (failures - EJECT_AFTER), LONGEST_EJECTION_MS);
  return { failures, ejectedUntil: now + length };
}

/** What a server may be sent: anything; one real request, to see whether it is back; or nothing. */
export function standing(health: Health, now: number): Standing {
  if (health.failures < EJECT_AFTER) return 'healthy';
  return now >= health.ejectedUntil ? 'probing' : 'ejected';
}
