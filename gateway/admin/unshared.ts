import type { Ledger } from '../judge/rollout/ledger.ts';
import type { KnownRollouts, Pending, Unshared } from '../store/store.ts';

/** What holds at this gateway and could not be stored yet. A document that says anything but a suspension takes nobody away. */
export function unsharedOf({ pending, pendingDocuments }: KnownRollouts, ledger: Ledger): Unshared {
  const suspended = (ids: ReadonlySet<string>) =>
    new Set([...ids].filter((id) => ledger.get(id)?.phase.name === 'suspended'));
  const suspensions: Pending = {
    disk: suspended(pendingDocuments.disk),
    store: suspended(pendingDocuments.store),
  };
  return { rollbacks: pending, suspensions };
}
