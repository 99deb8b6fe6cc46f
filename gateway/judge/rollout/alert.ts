// Alerts of an Alertmanager as orders to a rollout. They can only ever end one; and never the baseline, for only a
// candidate has a rollout.
import type { Ledger } from './ledger.ts';
import type { Order } from './order.ts';
import type { RolloutState } from './state.ts';

/** As much of an alert as matters here (Alertmanager webhook, version "4"). */
export type Alert = {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  /** ISO time. */
  readonly startsAt: string;
  readonly fingerprint: string;
};

export type Heeded =
  | { readonly id: string; readonly order: Order }
  /** Nothing follows from it, and why. */
  | { readonly ignored: Ignored };

export type Ignored = 'resolved' | 'not a candidate' | 'from before the rollout' | 'after the guard time';

/**
 * What follows from an alert. It must name `model` and `version` of a candidate in its rollout, and may name the `rollout`.
 * A resolved one changes nothing: what was rolled back stays so.
 */
export function heed(alert: Alert, ledger: Ledger): Heeded {
  if (alert.status === 'resolved') return { ignored: 'resolved' };
  const about = [...ledger.values()].filter((state) => isAbout(alert, state));
  if (about.length === 0) return { ignored: 'not a candidate' };
  // A version may have had several rollouts: it is about the last one that had started by then.
  const [state] = about
    .filter(({ startedAt }) => startedAt !== undefined && Date.parse(alert.startsAt) >= Date.parse(startedAt))
    .sort((a, b) => (a.startedAt ?? '').localeCompare(b.startedAt ?? ''))
    .slice(-1);
  if (state === undefined) return { ignored: 'from before the rollout' };
  if (state.phase.name === 'promoted' && state.phase.guardLeftMs <= 0) return { ignored: 'after the guard time' };
  const sentence = `alert ${alert.labels.alertname ?? alert.fingerprint} fires for ${state.candidate} of ${state.model}`;
  const by = { kind: 'alert', fingerprint: alert.fingerprint } as const;
  return { id: state.id, order: { what: 'rollback', by, at: alert.startsAt, sentence } };
}

function isAbout({ labels }: Alert, { id, model, candidate, phase }: RolloutState): boolean {
  if (phase.name === 'pending' || (phase.name === 'promoted' && phase.isNamed)) return false;
  return labels.model === model && labels.version === candidate && (labels.rollout ?? id) === id;
}
