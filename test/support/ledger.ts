// Joins what callers experienced with what servers did, by request id: what status codes alone cannot tell.
import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';

/** How a call ended for its caller. */
export type CallEnd =
  | { readonly kind: 'answered'; readonly status: number }
  /** The caller gave up: the signal that it passed had aborted. */
  | { readonly kind: 'left' }
  | { readonly kind: 'failed'; readonly error: unknown };

type Call = { readonly end: CallEnd; readonly endedAt: number };

/** One request at one server. `answeredAt` stays undefined when the connection was cut before. */
type Arrival = { readonly id: string; readonly server: string; readonly at: number; answeredAt: number | undefined };

/** What a ledger shows; every list holds request ids. */
export type LedgerReport = {
  readonly calls: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Neither answered nor given up by the caller. */
  readonly lost: readonly string[];
  /** Arrived at servers more than once. */
  readonly duplicated: readonly string[];
  /** Arrived at a server, or was answered by one, although the caller had left. */
  readonly servedAfterLeft: readonly string[];
  /** Answered 200 although it arrived at no server. */
  readonly unserved: readonly string[];
  /** Arrived at a server and was never called: smuggled, or without its id. */
  readonly unknown: readonly string[];
  /** Arrivals by server. */
  readonly arrivals: Readonly<Record<string, number>>;
};

/**
 * The ledger of one test: `fakeServer(t, ledger.at('a', script))` notes what arrives there, `ledger.call(...)` makes a
 * call with an id of its own, to be sent as `x-request-id`; `ledger.report()` joins the two. Callers and servers
 * must run in one process, for they share its clock; what stands between them may run anywhere.
 */
export class Ledger {
  readonly #run = randomUUID().slice(0, 8);
  readonly #calls = new Map<string, Call>();
  readonly #arrivals: Arrival[] = [];
  #next = 0;

  /** Makes one call; `send` sends the id and resolves with the status. Never rejects: how it ended is in the ledger. */
  async call(send: (id: string) => Promise<number>, signal?: AbortSignal): Promise<CallEnd> {
    const id = `${this.#run}-${this.#next++}`;
    let leftAt: number | undefined;
    signal?.addEventListener('abort', () => (leftAt = performance.now()), { once: true });
    const end = await send(id).then(
      (status): CallEnd => ({ kind: 'answered', status }),
      (error: unknown): CallEnd => (signal?.aborted ? { kind: 'left' } : { kind: 'failed', error }),
    );
    this.#calls.set(id, { end, endedAt: end.kind === 'left' ? (leftAt ?? performance.now()) : performance.now() });
    return end;
  }

  /** A server's script that notes every arrival and then does what `script` does. */
  at(server: string, script: RequestListener): RequestListener {
    return (request, response) => {
      const arrival: Arrival = {
        id: String(request.headers['x-request-id']),
        server,
        at: performance.now(),
        answeredAt: undefined,
      };
      this.#arrivals.push(arrival);
      response.once('finish', () => {
        arrival.answeredAt = performance.now();
      });
      return script(request, response);
    };
  }

  /** The join, of calls that have ended. Word that a caller left takes `graceMs` to spread (0 by default). */
  report({ graceMs = 0 } = {}): LedgerReport {
    const calls = [...this.#calls];
    const arrivals = this.#arrivals;
    const times = countBy(arrivals.map(({ id }) => id));
    const of = (kind: CallEnd['kind']) => calls.filter(([, { end }]) => end.kind === kind).map(([id]) => id);
    const isLate = ({ id, at, answeredAt = 0 }: Arrival) => {
      const call = this.#calls.get(id);
      return call?.end.kind === 'left' && Math.max(at, answeredAt) > call.endedAt + graceMs;
    };
    return {
      calls: calls.length,
      statuses: countBy(calls.flatMap(([, { end }]) => (end.kind === 'answered' ? [String(end.status)] : []))),
      lost: of('failed'),
      duplicated: Object.keys(times).filter((id) => (times[id] ?? 0) > 1),
      servedAfterLeft: [...new Set(arrivals.filter(isLate).map(({ id }) => id))],
      unserved: calls
        .filter(([id, { end }]) => end.kind === 'answered' && end.status === 200 && times[id] === undefined)
        .map(([id]) => id),
      unknown: arrivals.map(({ id }) => id).filter((id) => !this.#calls.has(id)),
      arrivals: countBy(arrivals.map(({ server }) => server)),
    };
  }
}

function countBy(keys: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const key of keys) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
}
