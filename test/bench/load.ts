// What the proxies are given to do: an image of 784 pixels to classify, from another user each time.
import { Caller, type RequestBytes } from './caller.ts';

/** A proxy with a protocol of its own is called in that; all others are called alike. */
export type Call = { readonly path: string; readonly headers: readonly string[]; readonly body: string };

const USERS = 2000;
const PIXELS = Array.from({ length: 784 }, (_, i) => (i * 37) % 256);

/** The call that an application makes for a prediction: 2.8 KB of JSON. */
export const INFER: Call = {
  path: '/v2/models/digits/infer',
  headers: [],
  body: JSON.stringify({ inputs: [{ name: 'image', shape: [1, 784], datatype: 'FP32', data: PIXELS }] }),
};

/** The requests as bytes, made beforehand: one for each user. */
export function requestsFor({ path, headers, body }: Call): readonly RequestBytes[] {
  const bodyBytes = Buffer.from(body);
  return Array.from({ length: USERS }, (_, user) => ({
    head: Buffer.from(
      [
        `POST ${path} HTTP/1.1`,
        'host: models.example',
        'user-agent: python-requests/2.32.5',
        'accept-encoding: gzip, deflate',
        'accept: */*',
        'connection: keep-alive',
        `x-user-id: user-${user}`,
        ...headers,
        'content-type: application/json',
        `content-length: ${bodyBytes.length}`,
        '\r\n',
      ].join('\r\n'),
    ),
    body: bodyBytes,
  }));
}

/** What came of some calls. */
export type Sent = { readonly seconds: number; readonly statuses: ReadonlyMap<number, number> };

/** Makes `count` calls over `connections` at a time, each at once after the last (a closed loop). */
export async function sendAll(
  url: string,
  requests: readonly RequestBytes[],
  count: number,
  connections: number,
): Promise<Sent> {
  const statuses = new Map<number, number>();
  const callers = Array.from({ length: connections }, () => new Caller(url));
  let next = 0;
  const start = performance.now();
  try {
    await Promise.all(
      callers.map(async (caller) => {
        while (next < count) {
          const status = await caller.call(requests[next++ % requests.length] as RequestBytes);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      }),
    );
  } finally {
    for (const caller of callers) caller.close();
  }
  return { seconds: (performance.now() - start) / 1000, statuses };
}

/** Milliseconds that each of `count` calls took through a proxy, and beside each one that same call without it. */
export async function timePairs(
  proxy: { readonly url: string; readonly requests: readonly RequestBytes[] },
  direct: { readonly url: string; readonly requests: readonly RequestBytes[] },
  count: number,
): Promise<{ readonly through: number[]; readonly direct: number[] }> {
  const [proxied, unproxied] = [new Caller(proxy.url), new Caller(direct.url)];
  const times = { through: [] as number[], direct: [] as number[] };
  try {
    for (let i = 0; i < count; i++) {
      // In turn, so that whatever the machine does meanwhile happens to both.
      times.through.push(await timeOf(proxied, proxy.requests[i % USERS] as RequestBytes));
      times.direct.push(await timeOf(unproxied, direct.requests[i % USERS] as RequestBytes));
    }
  } finally {
    proxied.close();
    unproxied.close();
  }
  return times;
}

async function timeOf(caller: Caller, request: RequestBytes): Promise<number> {
  const start = performance.now();
  const status = await caller.call(request);
  if (status !== 200) throw new Error(`a call at one connection was answered ${status}`);
  return performance.now() - start;
}
