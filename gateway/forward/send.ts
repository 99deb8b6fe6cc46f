// One request to one server of a version, within the deadline, as an Answer. Never throws: what went wrong is a Fault.
import { errorBody } from '../errors.ts';
import type { Answer, Facts, Fault, OnLeave } from '../flow.ts';
import type { Version } from '../policy/policy.ts';
import { choose } from './balance.ts';
import { Exchange, type Result } from './exchange.ts';
import type { Fleet, Server } from './fleet.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { standing } from './health.ts';

/** Bytes of an answer held at once; beyond it the answer is refused with 502. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** What a caller is told when the gateway must answer by itself. No server's address is ever in it. */
const FAULTS: Record<Fault, { readonly status: number; readonly error: string; readonly retryAfter?: string }> = {
  unreachable: { status: 502, error: 'the model server could not be reached' },
  broken: { status: 502, error: 'the model server broke off its answer' },
  deadline: { status: 504, error: 'no answer within the timeout of the model' },
  shed: { status: 429, error: 'every server of this version is at its limit of requests', retryAfter: '1' },
  client_left: { status: 499, error: 'the caller left' },
};

/** Servers answer 500 for a failed run; a 500 of ours would mean a bug of ours, so it goes out as 502 with its body. */
const STATUS_FOR_CALLER: Readonly<Record<number, number>> = { 500: 502 };

/** Sends a request to a server of this version; its timeout counts from now to the last byte of the answer. */
export async function send(fleet: Fleet, version: Version, facts: Facts, onLeave: OnLeave): Promise<Answer> {
  const start = performance.now();
  const server = choose(fleet.of(version.servers), start, Math.random);
  if (server === undefined)
    return toAnswer({ kind: 'fault', fault: 'shed', reason: 'all at their cap' }, undefined, start);
  const result = await exchange(server, version, facts, onLeave);
  noteHealth(server, result);
  return toAnswer(result, server, start);
}

async function exchange(server: Server, version: Version, facts: Facts, onLeave: OnLeave): Promise<Result> {
  const { timeoutMs } = version;
  const isPost = facts.call === 'infer' || facts.call === 'predict';
  server.inFlight++;
  let deadline: NodeJS.Timeout | undefined;
  try {
    return await new Promise<Result>((settle) => {
      const handler = new Exchange(MAX_ANSWER_BYTES, settle);
      deadline = setTimeout(() => handler.abandon('deadline', `no answer within ${timeoutMs} ms`), timeoutMs);
      onLeave(() => handler.abandon('client_left', 'the caller left'));
      server.pool.dispatch(
        {
          path: version.paths[facts.call],
          method: isPost ? 'POST' : 'GET',
          headers: requestHeaders(facts.rawHeaders, facts.headers.connection, facts.id),
          body: isPost ? facts.body : null,
        },
        handler,
      );
    });
  } finally {
    clearTimeout(deadline);
    server.inFlight--;
  }
}

/** A server is judged by whether it answers, not by what the model says: failing runs must not eject it. */
function noteHealth(server: Server, result: Result): void {
  const now = performance.now();
  if (result.kind === 'fault') {
    if (result.fault !== 'client_left') server.failed(now);
  } else if (result.status !== 503) server.succeeded();
  // 503 is "loading" or "draining": no reason to leave a healthy server alone, none to take a broken one back.
  else if (standing(server.health, now) !== 'healthy') server.failed(now);
}

function toAnswer(result: Result, server: Server | undefined, start: number): Answer {
  const latencyMs = performance.now() - start;
  if (result.kind === 'response') {
    const status = STATUS_FOR_CALLER[result.status] ?? result.status;
    const headers = responseHeaders(result.headers);
    return { status, headers, body: result.body, server: server?.name, fault: undefined, latencyMs };
  }
  const { status, error, retryAfter } = FAULTS[result.fault];
  const headers = { 'content-type': 'application/json', ...(retryAfter && { 'retry-after': retryAfter }) };
  return { status, headers, body: errorBody(error), server: server?.name, fault: result.fault, latencyMs };
}
