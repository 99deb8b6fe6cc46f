// How the gateway opens every HTTP connection of its own: to servers of the policy for callers, copies, probes, digests and
// looks, and to the webhook. No other file makes a dispatcher of undici or calls fetch; test/gateway/forward/fleet/dial.test.ts keeps it so.
import { Agent, buildConnector, request } from 'undici';
import { isForbiddenHost } from '../../policy/url.ts';
import { forbiddenText, pinnedLookup, type Reaches, safeLookup } from './resolve.ts';

/**
 * What connects for a dispatcher of undici. Certificates are checked, and an address that no policy may name is refused:
 * written as an address, as a name, or found behind a name when the connection is made.
 */
export function dial(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector({ lookup: safeLookup, ...options, rejectUnauthorized: true });
  return (target, done) => {
    if (isForbiddenHost(target.hostname)) done(new Error(forbiddenText(target.hostname, target.hostname)), null);
    else connect(target, done);
  };
}

const REACHED_WITHIN_MS = 500;

/** Finds out which addresses take connections for an origin. What is opened is closed at once. */
export function reacher(origin: string): Reaches {
  const { protocol, hostname, port } = new URL(origin);
  return (address) =>
    new Promise((resolve) => {
      const connect = dial({ timeout: REACHED_WITHIN_MS, lookup: pinnedLookup(() => [address]) });
      // TLS is another matter: a handshake would need the certificates of the server.
      connect(
        { protocol: 'http:', hostname, port: port || (protocol === 'https:' ? '443' : '80') },
        (error, socket) => {
          socket?.destroy();
          resolve(error === null);
        },
      );
    });
}

/** A dispatcher for addresses that are not of the fleet, or past its decisions. It follows no redirect. */
export function agentFor({
  connections,
  withinMs,
}: {
  readonly connections: number;
  readonly withinMs: number;
}): Agent {
  return new Agent({
    connections,
    connect: dial({ timeout: withinMs }),
    headersTimeout: withinMs,
    bodyTimeout: withinMs,
  });
}

/** Sends JSON by POST and resolves with the status; a redirect is a status like any other. Rejects when no answer comes. */
export type PostJson = (url: string, json: unknown, signal: AbortSignal) => Promise<number>;

/** A `PostJson` over a connection of its own that nothing else waits for. */
export function poster(withinMs: number): PostJson {
  const agent = agentFor({ connections: 1, withinMs });
  return async (url, json, signal) => {
    const { statusCode, body } = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(json),
      signal: AbortSignal.any([signal, AbortSignal.timeout(withinMs)]),
    });
    await body.dump();
    return statusCode;
  };
}
