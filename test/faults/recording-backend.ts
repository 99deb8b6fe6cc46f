// A server behind the ones under test that writes down every request it sees. It reads as leniently as Node can, so
// that what was smuggled is seen rather than refused.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { undo } from '../support/undo.ts';

/** A request as it arrived; `body` is one character a byte. */
export type Recorded = {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
};

export type RecordingBackend = {
  readonly url: string;
  /** Every request, in the order in which they were whole. */
  readonly seen: readonly Recorded[];
  /** Bytes that were no request at all. */
  readonly garbage: readonly string[];
};

/** Starts one that answers 200 with `{}`. */
export async function recordingBackend(t: TestContext): Promise<RecordingBackend> {
  const seen: Recorded[] = [];
  const garbage: string[] = [];
  const server = createServer({ insecureHTTPParser: true, requireHostHeader: false }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      // The gateway's own looks at its fleet are nobody's request.
      if (headers['user-agent'] !== 'sluice-probe')
        seen.push({ method, path, headers, body: Buffer.concat(chunks).toString('latin1') });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    request.on('error', () => {});
  });
  server.on('clientError', (error: Error & { rawPacket?: Buffer }, socket) => {
    if (error.rawPacket !== undefined) garbage.push(error.rawPacket.toString('latin1'));
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, garbage };
}
