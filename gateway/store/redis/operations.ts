// How every operation on Redis went. A failure is counted, is a trouble until the same operation works, and is logged once for
// each cause. Health follows from the operations, not from the sockets alone.
import type { StoreFailure } from '../store.ts';
import { PURPOSES, type Purpose, type Role } from './purposes.ts';
import { isAway, kindOf, type RefusalKind, reasonOf } from './refusal.ts';

/** A refusal of something that is not tried again, such as an order of a person, is reported for this long. */
const LASTS_MS = 90_000;

/** Troubles of the server as a whole: a write that works ends them. */
const KEEPS_FROM_WRITING: ReadonlySet<RefusalKind> = new Set(['full', 'disk', 'replica', 'loading']);

export type OperationsOptions = {
  readonly onTrouble: (error: Error) => void;
  /** What was not done works again. */
  readonly onRecovered: () => void;
  /** The rights that an operation needs, as an ACL rule. */
  readonly rightsOf: (purpose: Purpose) => string;
};

type Trouble = { readonly kind: RefusalKind; readonly cause: string; readonly reason: string; readonly at: number };

export class Operations {
  readonly #options: OperationsOptions;
  readonly #troubles = new Map<Purpose, Trouble>();
  readonly #failures = new Map<string, { readonly operation: Purpose; readonly kind: RefusalKind; count: number }>();

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  /** It worked: so does the connection that it went by. */
  succeeded(purpose: Purpose): void {
    this.#clear((kind, other) => {
      if (other === purpose) return true;
      if (isAway(kind)) return PURPOSES[other].on === PURPOSES[purpose].on;
      if (purpose === 'rights') return kind === 'permission' && other !== 'hints_read'; // which is tried by itself
      return purpose.endsWith('_write') && KEEPS_FROM_WRITING.has(kind);
    });
  }

  /** The connection is back: what failed because it was lost is over. */
  connected(role: Role): void {
    this.#clear((kind, purpose) => PURPOSES[purpose].on === role && isAway(kind));
  }

  /** It failed. Returns why, in words for an operator. */
  failed(purpose: Purpose, message: string): string {
    const kind = kindOf(message);
    const reason = this.#reasonOf(purpose, kind, message);
    const cause = causeOf(kind, message);
    this.#count(purpose, kind);
    const isKnown = [...this.#current()].some(([, trouble]) => trouble.cause === cause);
    this.#troubles.set(purpose, { kind, cause, reason, at: performance.now() });
    // Without its cause: errors of Redis carry the command, with everything in it.
    if (!isKnown) this.#options.onTrouble(new Error(reason));
    return reason;
  }

  /** What does not work now, in words, each once. */
  troubles(): readonly string[] {
    return [...new Set([...this.#current()].map(([, { reason }]) => reason))];
  }

  /** Everything that failed since the start. */
  failures(): readonly StoreFailure[] {
    return [...this.#failures.values()];
  }

  *#current(): Iterable<readonly [Purpose, Trouble]> {
    const now = performance.now();
    for (const [purpose, trouble] of this.#troubles) {
      if (now - trouble.at < LASTS_MS) yield [purpose, trouble];
      else this.#troubles.delete(purpose);
    }
  }

  #clear(isOver: (kind: RefusalKind, purpose: Purpose) => boolean): void {
    if (this.#troubles.size === 0) return;
    for (const [purpose, { kind }] of this.#troubles) if (isOver(kind, purpose)) this.#troubles.delete(purpose);
    if (this.#troubles.size === 0) this.#options.onRecovered();
  }

  #count(operation: Purpose, kind: RefusalKind): void {
    const key = `${operation} ${kind}`;
    const failure = this.#failures.get(key) ?? { operation, kind, count: 0 };
    failure.count++;
    this.#failures.set(key, failure);
  }

  #reasonOf(purpose: Purpose, kind: RefusalKind, message: string): string {
    if (kind === 'timeout')
      return `Redis gave no answer in time when Sluice was to ${PURPOSES[purpose].does}, so it is not known whether it did (${message}); look at its load and at the network`;
    if (isAway(kind) || kind === 'full') return reasonOf(message);
    const cannot = `Redis does not let Sluice ${PURPOSES[purpose].does}`;
    if (kind !== 'permission') return `${cannot}: ${reasonOf(message)}`;
    return `${cannot} (${message}); grant it with ACL SETUSER: ${this.#options.rightsOf(purpose)}`;
  }
}

/** What is one cause for many operations is one line in the log. */
function causeOf(kind: RefusalKind, message: string): string {
  if (kind === 'lost' || kind === 'timeout') return 'away';
  if (kind !== 'permission' && kind !== 'type' && kind !== 'other') return kind;
  return `${kind} ${message.replace(/ script: .*/s, '').slice(0, 200)}`;
}
