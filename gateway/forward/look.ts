import type { Server } from './server.ts';

/** So that a server's log tells them from traffic. */
const USER_AGENT = 'sluice-probe';
const WITHIN_MS = 1000;
const MAX_BYTES = 1024 * 1024;

/** What a server says at a path: a status, and its JSON when that is what it sent. */
export type Seen = { readonly status: number; readonly json: unknown };

/** Looks at a path of a server, outside its in-flight cap. Undefined when there is no whole answer within a second. */
export async function look(server: Server, path: string): Promise<Seen | undefined> {
  try {
    const { statusCode, body } = await server.pool.request({
      path,
      method: 'GET',
      headers: { 'user-agent': USER_AGENT },
      signal: AbortSignal.timeout(WITHIN_MS),
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += (chunk as Buffer).length;
      if (bytes > MAX_BYTES) return undefined;
      chunks.push(chunk as Buffer);
    }
    return { status: statusCode, json: parse(Buffer.concat(chunks).toString('utf8')) };
  } catch {
    return undefined;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
