import type { TestContext } from 'node:test';
import { type FakeServer, fakeServer } from '../support/fake-server.ts';

/** A request's head and the start of its body, which is chunked. */
export const CHUNKED = 'POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';

/** One chunk of a body; the last one is empty. */
export function chunk(bytes: string): string {
  return `${bytes.length.toString(16)}\r\n${bytes}\r\n`;
}

/** A server that answers everything with `{}` and keeps the bodies it gets, in order. */
export async function keepingServer(t: TestContext): Promise<FakeServer & { readonly bodies: readonly Buffer[] }> {
  const bodies: Buffer[] = [];
  const server = await fakeServer(t, async (request, response) => {
    bodies.push(Buffer.concat(await request.toArray()));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  return { ...server, bodies };
}
