// What every request to the admin listener must pass. One hook for all routes: a new one is guarded without being asked.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { SluiceError } from '../errors.ts';
import { carriesToken, isLoopback } from './auth.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `probe` is for whoever reaches the listener, `page` (no data of this gateway) too, `metrics` needs no token. */
    readonly open?: 'probe' | 'page' | 'metrics' | undefined;
  }
}

/** Answers are looked at by people's browsers: what a server of the fleet sends must not run there as the console does. */
const ANSWER_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
} as const;

/** Guards every route of the admin listener, those added later too; a route is open only by its `config.open`. */
export function addGate(app: FastifyInstance, token: string | undefined): void {
  app.addHook('onRequest', async (request) => check(request, token));
  app.addHook('onSend', async ({ routeOptions }, reply) => {
    if (routeOptions.config?.open !== 'page') reply.headers(ANSWER_HEADERS);
  });
}

/** Throws SluiceError for a request that may not be served. */
function check(request: FastifyRequest, token: string | undefined): void {
  const { open } = request.routeOptions.config ?? {};
  if (open === 'probe') return;
  // Without a token only this machine may ask: a name that a web page made lead here is not this machine.
  if (token === undefined && !isLoopback(hostnameOf(request.headers.host)))
    throw new SluiceError('FORBIDDEN', 'the Host header is not loopback');
  if (open !== undefined) return;
  if (token !== undefined && !carriesToken(request.headers.authorization, token)) throw new SluiceError('UNAUTHORIZED');
  refuseOtherOrigins(request);
  const isEdit = request.method !== 'GET' && request.method !== 'HEAD';
  // A web page can send any other type unasked.
  if (isEdit && !/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new SluiceError('MEDIA_TYPE');
}

/** A web page of another origin may neither read nor edit; a link that a person follows may be read. */
function refuseOtherOrigins({ method, headers }: FastifyRequest): void {
  const { origin, host } = headers;
  if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host))
    throw new SluiceError('FORBIDDEN', 'another origin');
  const site = headers['sec-fetch-site'] ?? 'none';
  const isLink = method === 'GET' && headers['sec-fetch-mode'] === 'navigate';
  if (site !== 'same-origin' && site !== 'none' && !isLink) throw new SluiceError('FORBIDDEN', 'another origin');
}

function hostnameOf(host = ''): string {
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '') : '';
}
