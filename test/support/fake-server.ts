// A version server whose answers a test scripts: real sockets on loopback, port 0, closed when the test ends.
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { undo } from './undo.ts';

export type FakeServer = {
  readonly url: string;
  /** Every request that arrived, probes aside, whether or not it was answered. */
  readonly seen: IncomingMessage[];
  /** Ends it now, with every connection. */
  readonly close: () => Promise<void>;
};

/** Starts a server that answers requests with `script`, and readiness probes and looks at its metadata with `probed`. */
export async function fakeServer(
  t: TestContext,
  script: RequestListener,
  probed?: RequestListener,
  at: { readonly host: string; readonly port: number } = { host: '127.0.0.1', port: 0 },
): Promise<FakeServer> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    // The gateway's own looks: every version is ready and none is described, unless a test has a word on it.
    if (request.headers['user-agent'] === 'sluice-probe' && probed === undefined) return void response.end('{}');
    if (request.headers['user-agent'] === 'sluice-probe') return probed?.(request, response);
    seen.push(request);
    script(request, response);
  });
  await new Promise<void>((resolve) => server.listen(at.port, at.host, resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  undo(t, close);
  const host = at.host.includes(':') ? `[${at.host}]` : at.host;
  return { url: `http://${host}:${(server.address() as AddressInfo).port}`, seen, close };
}

/**
 * What callers asked of a server, without what a shadow sent it: of one copy in a hundred the version that answered is asked
 * once more, to learn how far its own answers differ.
 */
export function callsAt({ seen }: FakeServer): readonly IncomingMessage[] {
  return seen.filter(({ headers }) => headers['x-sluice-shadow'] === undefined);
}

/** A script that answers everything with this JSON. */
export function answering(body: unknown, status = 200): RequestListener {
  return (request, response) => {
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  };
}

/** A script that reads the request and never answers. */
export const silent: RequestListener = (request) => void request.resume();
