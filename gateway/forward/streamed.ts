import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorBody } from '../errors.ts';
import type { Answer, Fault } from '../flow.ts';
import { classOfFault, readAnswer } from './dialect.ts';
import type { ResponseHeaders } from './exchange.ts';
import { errorOf, FAULTS } from './faults.ts';
import type { Seat } from './fleet/seat.ts';
import type { Tap } from './tap.ts';

/** The beginning of a server's answer; the status is 0 when it has not begun. */
export type Head = { readonly status: number; readonly headers: ResponseHeaders };

export const NOT_BEGUN: Head = { status: 0, headers: {} };

/** What is known of a streamed request that has ended. */
export type Streamed = {
  /** The seats that were asked, the first one first. All but the last could not be reached. */
  readonly tried: readonly Seat[];
  readonly head: Head;
  readonly fault: Fault | undefined;
  /** Bytes that a request's body may have. */
  readonly bodyLimit: number;
  readonly isWarm: boolean;
  readonly latencyMs: number;
};

const NO_BODY = Buffer.alloc(0);

/** The reading of an answer from its head alone: its body has passed by. */
export function readHead(seat: Seat | undefined, { status, headers }: Head): ReturnType<typeof readAnswer> {
  return readAnswer(seat?.server.spec.kind ?? 'sluice', 'opaque', { status, headers, body: NO_BODY });
}

/** The answer to a streamed request. Its body is the gateway's own words, where nothing has gone to the caller. */
export function answerOf({ tried, head, fault, bodyLimit, isWarm, latencyMs }: Streamed): Answer {
  const [first, last] = [tried[0]?.server, tried.at(-1)?.server];
  const firstFault = tried.length > 1 ? 'unreachable' : fault;
  const outcome = fault === undefined ? readHead(tried.at(-1), head).class : classOfFault(fault);
  const own = fault === undefined ? undefined : FAULTS[fault];
  return {
    status: head.status || (own?.status ?? 502),
    headers: own?.headers ?? {},
    body: fault === undefined ? NO_BODY : errorBody(errorOf(fault, { body: bodyLimit })),
    isDelivered: head.status !== 0,
    server: last?.name,
    serverClass: last?.spec.class,
    fault,
    class: outcome,
    firstClass: firstFault === undefined ? outcome : classOfFault(firstFault),
    firstFault,
    firstServer: first?.name,
    firstServerClass: first?.spec.class,
    isWarm,
    attempts: tried.length,
    latencyMs,
  };
}

/** Where a redirect of the server at `origin` leads callers, to whom its paths appear below `prefix`. */
export function outside(location: string, origin: string, prefix: string): string {
  const path = location.startsWith(`${origin}/`) ? location.slice(origin.length) : location;
  return path.startsWith('/') && !path.startsWith('//') ? `${prefix}${path}` : path;
}

/** What a streamed request is made of, beside its facts. */
export type Streams = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Told with the answer. */
  readonly marks: Readonly<Record<string, string>>;
  /** The path below which the server's paths appear to callers. */
  readonly prefix: string;
  /** Bytes of a request body; beyond it the caller is refused. */
  readonly bodyLimit: number;
  /** Milliseconds, added up, that the answer may wait for the caller, where that is more than the version's timeout. */
  readonly answerTimeoutMs: number;
  /** Called before the body is read: a caller may wait to be asked for it. */
  readonly askForBody: () => void;
  /** Takes what to do when the rest of the body has not arrived in the time that callers have for a request. */
  readonly whenLate: (end: () => void) => void;
  /** Hears of every piece, where a copy is to follow. */
  readonly tap?: Tap | undefined;
};
