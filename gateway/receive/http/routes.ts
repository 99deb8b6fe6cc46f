// The data listener's routes: Open Inference Protocol v2, the v1 predict call, whatever lies below a prefix of protocol http,
// and the gateway's own health.
// Specifications: kserve/open-inference-protocol (REST) and TensorFlow Serving's REST API for v1.
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { SluiceError } from '../../errors.ts';
import type { Answer, Call, Facts, OnLeave } from '../../flow.ts';
import type { Overload } from '../overload.ts';
import { onLeaveOf, writeAnswer } from './answer.ts';
import { factsOf } from './facts.ts';
import { noteHop } from './hops.ts';
import { addOpaqueRoute, type OpaqueDeps } from './opaque.ts';
import { hasBody } from './uploads.ts';

declare module 'fastify' {
  interface FastifyRequest {
    sentType?: string | undefined;
    /** What to do when the caller leaves; one listener serves all that ask. */
    onLeft?: (() => void) | undefined;
    /** Bytes of the answer, from when it is whole until it is taken. */
    answerBytes: number;
  }
}

/** Answers one request. */
export type Serve = (
  facts: Facts,
  onLeave: OnLeave,
) => Promise<{ readonly answer: Answer; readonly marks: Readonly<Record<string, string>> }>;

/** What a caller with an unknown path is told to try. */
export const DATA_PATHS = 'inference is POST /v2/models/{model}/infer or POST /v1/models/{model}:predict';

export type RouteDeps = OpaqueDeps & {
  readonly serve: Serve;
  readonly overload: Overload;
  /** What this gateway is called on the way of a request (hops.ts). */
  readonly gateway: string;
  /** Hears of answers that wait for their callers to take them, in bytes. */
  readonly answers: { readonly keep: (bytes: number) => void; readonly release: (bytes: number) => void };
  /** Told by server metadata. */
  readonly version: string;
};

type Params = { model: string; version?: string };

/** Adds every route of the data listener. */
export function addRoutes(app: FastifyInstance, deps: RouteDeps): void {
  // Clients of the protocol send malformed types too, which fastify would refuse, and reading them costs it a twentieth of
  // a request. It sees none while it reads the body; rules and the server see what was sent.
  app.decorateRequest('sentType', undefined);
  app.decorateRequest('onLeft', undefined);
  app.decorateRequest('answerBytes', 0);
  app.addHook('onRequest', (request, _reply, done) => {
    request.sentType = request.headers['content-type'];
    request.headers['content-type'] = undefined;
    done();
  });
  app.addHook('preHandler', (request, _reply, done) => {
    if (request.sentType === undefined) delete request.headers['content-type'];
    else request.headers['content-type'] = request.sentType;
    done();
  });

  const onRequest = admit(deps);
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.post<{ Params: Params }>(`${path}/infer`, { onRequest }, handler(deps, 'infer'));
    app.get<{ Params: Params }>(path, { onRequest }, handler(deps, 'metadata'));
    app.get<{ Params: Params }>(`${path}/ready`, { onRequest }, handler(deps, 'ready'));
  }
  app.post<{ Params: { target: string } }>('/v1/models/:target', { onRequest }, (request, reply) => {
    const model = /^(.*):predict$/.exec(request.params.target)?.[1];
    if (model === undefined) throw new SluiceError('UNKNOWN_PATH', DATA_PATHS);
    return respond(deps, request, factsOf(request, 'predict', model, undefined), reply);
  });
  addOpaqueRoute(app, deps, onRequest, refuseOther);

  app.get('/v2', () => ({ name: 'sluice', version: deps.version, extensions: [] }));
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', (_request, reply) =>
    reply.code(deps.isDraining() ? 503 : 200).send({ ready: !deps.isDraining() }),
  );
}

/** Turns a request away before its body is read, or lets it in once it is here whole. */
function admit({ overload, answers, gateway }: RouteDeps) {
  return (request: FastifyRequest, { raw }: FastifyReply, done: HookHandlerDoneFunction): void => {
    if (!overload.hasRoom(request.headers['x-sluice-priority'] === 'batch' ? 'batch' : 'live'))
      return void done(new SluiceError('OVERLOADED'));
    if (!noteHop(request.raw, gateway)) return void done(new SluiceError('LOOP'));
    let standing: 'arriving' | 'inside' | 'gone' = 'arriving';
    const enter = () => {
      if (standing === 'gone') return;
      standing = 'inside';
      overload.add();
    };
    // One that is still on its way is no work yet: callers that send slowly would hold the places of all others.
    if (hasBody(request.raw)) request.raw.once('end', enter);
    else enter();
    raw.once('close', () => {
      if (standing === 'inside') overload.leave();
      standing = 'gone';
      answers.release(request.answerBytes);
      request.onLeft?.();
    });
    done();
  };
}

/** What has a POST has no GET, and the other way round. */
function refuseOther({ raw, method }: FastifyRequest): never {
  const path = raw.url ?? '';
  const isPost = /^\/v2\/models\/[^/]+(\/versions\/[^/]+)?\/infer(\?|$)|^\/v1\/models\/[^/]+:predict(\?|$)/.test(path);
  const isGet = /^\/v2(\/health\/(live|ready)|\/models\/[^/]+(\/versions\/[^/]+)?(\/ready)?)?(\?|$)/.test(path);
  if (isPost || (isGet && method !== 'GET')) throw new SluiceError('METHOD_NOT_ALLOWED', isPost ? 'POST' : 'GET');
  throw new SluiceError('UNKNOWN_PATH', DATA_PATHS);
}

function handler(deps: RouteDeps, call: Call) {
  return (request: FastifyRequest<{ Params: Params }>, reply: FastifyReply) =>
    respond(deps, request, factsOf(request, call, request.params.model, request.params.version), reply);
}

async function respond(
  deps: RouteDeps,
  request: FastifyRequest,
  facts: Facts,
  reply: FastifyReply,
): Promise<FastifyReply> {
  reply.header('x-request-id', facts.id); // errors thrown below carry it too
  const { answer, marks } = await deps.serve(facts, onLeaveOf(request, reply));
  if (!reply.raw.destroyed) {
    request.answerBytes = answer.body.length;
    deps.answers.keep(answer.body.length);
  }
  return writeAnswer(reply, answer, marks);
}
