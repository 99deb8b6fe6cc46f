// Looks at one server of the fleet, past every decision: what it has loaded, its statistics, its metrics. Nothing is decided
// here, so @fastify/http-proxy does it, as this project needs it: no repeats of its own (it asks 11 times for a GET that is
// answered 503), connections that `dial` makes (by itself it checks no certificate), and no header of the caller but what a look needs.
import type { IncomingHttpHeaders } from 'node:http';
import proxy from '@fastify/http-proxy';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Agent, Dispatcher } from 'undici';
import { SluiceError } from '../errors.ts';
import type { Fault } from '../flow.ts';
import type { ServerSpec } from '../policy/servers.ts';
import { whyUnusable } from './exchange.ts';
import { errorOf, FAULTS } from './faults.ts';
import { agentFor } from './fleet/dial.ts';
import { responseHeaders } from './headers.ts';

const WITHIN_MS = 5000;
const CONNECTIONS = 2;
/** What a look may ask for. */
const ACCEPTED = ['accept', 'accept-language'] as const;

export type PassthroughDeps = {
  readonly fleet: () => ReadonlyMap<string, ServerSpec>;
};

type Params = { readonly server: string };

/** Adds `GET /fleet/{server}/...`: whatever a server of the policy answers there. */
export function addPassthrough(app: FastifyInstance, { fleet }: PassthroughDeps): void {
  const agent = agentFor({ connections: CONNECTIONS, withinMs: WITHIN_MS });
  app.addHook('onClose', () => agent.destroy());
  app.register(proxy, {
    prefix: '/fleet/:server',
    rewritePrefix: '/',
    upstream: '',
    httpMethods: ['GET'],
    proxyPayloads: false,
    undici: agent.compose(wholeOnly) as Agent,
    retryMethods: [],
    preHandler: (request, _reply, done) => {
      originOf(request, fleet());
      done();
    },
    replyOptions: {
      getUpstream: (request) => originOf(request, fleet()),
      rewriteRequestHeaders: (_request, headers) => looking(headers),
      rewriteHeaders: (headers) => responseHeaders(headers, 'inference'),
      // biome-ignore lint/suspicious/noExplicitAny: reply-from's own type of a reply is another one
      onError: (reply: any, { error }: any) => void answer(reply, error),
    },
  });
}

/** Refuses answers whose end is uncertain: reply-from does not show the headers that say so. */
const wholeOnly: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
  dispatch(options, {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onResponseStart: (controller, status, headers, message) => {
      const fault = status < 200 ? undefined : whyUnusable(status, headers);
      if (fault !== undefined) controller.abort(new Error(errorOf(fault)));
      else handler.onResponseStart?.(controller, status, headers, message);
    },
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
    onResponseError: (controller, error) => handler.onResponseError?.(controller, error),
  });

function answer(reply: FastifyReply, { message }: Error): void {
  const isOurs = (Object.keys(FAULTS) as Fault[]).some((fault) => errorOf(fault) === message);
  void reply.code(502).send({ error: isOurs ? message : 'the server does not answer; /api/status shows its state' });
}

function originOf({ params }: Pick<FastifyRequest, 'params'>, fleet: ReadonlyMap<string, ServerSpec>): string {
  const { server } = params as Params;
  const spec = fleet.get(server);
  if (spec === undefined)
    throw new SluiceError('UNKNOWN_PATH', `no server "${server}"; there are ${[...fleet.keys()].join(', ')}`);
  if (spec.tls !== undefined)
    throw new SluiceError('NOT_IMPLEMENTED', `${server} has certificates of its own; look at it directly`);
  return spec.origin;
}

/** The caller's token and cookies are for the gateway, and no server's business. */
function looking(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const sent: IncomingHttpHeaders = { 'user-agent': 'sluice-look' };
  for (const name of ACCEPTED) if (headers[name] !== undefined) sent[name] = headers[name] as string;
  return sent;
}
