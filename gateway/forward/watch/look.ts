import type { Server } from '../fleet/server.ts';

/** So that a server's log tells them from traffic. */
const USER_AGENT = 'sluice-probe';
const WITHIN_MS = 1000;
const MAX_BYTES = 1024 * 1024;
/** Of what a server says in an error, as it is shown to people. */
export const MOST_CHARACTERS = 200;

/** What a server says at a path: a status, and its JSON when that is what it sent. */
export type Seen = { readonly status: number; readonly json: unknown };

/** There is no whole answer within a second, and why. */
export type Silence = { readonly silence: string };

type Headers = Readonly<Record<string, string>>;

/** Looks at a path of a server, outside its in-flight cap. */
export async function look(server: Server, path: string, headers: Headers = {}): Promise<Seen | Silence> {
  try {
    const { statusCode, body } = await server.pool.request({
      path,
      method: 'GET',
      headers: { 'user-agent': USER_AGENT, ...headers },
      signal: AbortSignal.timeout(WITHIN_MS),
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += (chunk as Buffer).length;
      if (bytes > MAX_BYTES) return { silence: 'the answer is over 1 MiB' };
      chunks.push(chunk as Buffer);
    }
    return { status: statusCode, json: parse(Buffer.concat(chunks).toString('utf8')) };
  } catch (error) {
    return { silence: whyNot(error as Error) };
  }
}

/** In a few words: a name that leads to several addresses fails with one error for each. */
function whyNot(error: Error & { readonly errors?: readonly Error[] }): string {
  if (error.name === 'TimeoutError') return `no answer within ${WITHIN_MS} ms`;
  const why = error.message || error.errors?.map(({ message }) => message).join(', ') || error.name;
  return why.slice(0, MOST_CHARACTERS);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
