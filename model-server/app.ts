import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { type AppDeps, answer, answerError, targetOf } from './answer.ts';
import { describeModel, describeReadiness, describeServer } from './describe.ts';
import { RequestError } from './errors.ts';
import { type Handler, inferV2, predictV1 } from './infer.ts';
import { refuseExpectation, refuseUnreadable } from './unreadable.ts';

type Methods = { readonly GET?: Handler; readonly POST?: Handler };

const SECOND = 1000;
const OTHER_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** Builds the HTTP side of the model server: every route, every refusal, nothing listening yet. */
export function createApp(deps: AppDeps): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: deps.bodyLimit,
    requestTimeout: 30 * SECOND,
    // Longer than a gateway keeps a connection, or it would send into one that is being closed.
    keepAliveTimeout: 75 * SECOND,
    http: { headersTimeout: 10 * SECOND, connectionsCheckingInterval: 1 * SECOND },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Names of any length reach the look-up, whose 404 says more than a 414.
    routerOptions: { maxParamLength: 16 * 1024 },
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, request, reply) => answerError(deps, error, request, reply),
  });
  app.server.on('checkExpectation', refuseExpectation);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', (request, reply, done) => {
    const id = request.headers['x-request-id'];
    if (id !== undefined) {
      reply.header('x-request-id', id);
    }
    // Clients of the protocol send no content type, or a malformed one, which fastify would answer with 415.
    request.headers['content-type'] = 'application/octet-stream';
    done();
  });
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(deps, error, request, reply));
  app.setNotFoundHandler(() => {
    throw new RequestError('not_found', 'there is no such path; the README of the model server lists them all');
  });
  for (const [url, methods] of Object.entries(routesOf(deps))) {
    addRoute(app, url, methods);
  }
  return app;
}

function routesOf(deps: AppDeps): Readonly<Record<string, Methods>> {
  const { models, metrics, runner, isDraining } = deps;
  const json = (reply: FastifyReply, status: number, body: unknown) =>
    answer(deps, reply, status, JSON.stringify(body));
  const model: Handler = (request, reply) => {
    const target = targetOf(request);
    return json(reply, 200, describeModel(models, target.model, target.version));
  };
  const ready: Handler = (request, reply) => {
    const target = targetOf(request);
    const body = describeReadiness(models, target.model, target.version);
    return json(reply, body.ready ? 200 : 503, body);
  };
  const infer = { POST: inferV2(deps) };
  const predict = predictV1(deps);
  return {
    '/v2': { GET: (_request, reply) => json(reply, 200, describeServer()) },
    '/v2/health/live': { GET: (_request, reply) => json(reply, 200, { live: true }) },
    '/v2/health/ready': {
      GET: (_request, reply) => {
        const isReady = models.isReady() && runner.isUp && !isDraining();
        return json(reply, isReady ? 200 : 503, { ready: isReady });
      },
    },
    '/v2/models/:model': { GET: model },
    '/v2/models/:model/versions/:version': { GET: model },
    '/v2/models/:model/ready': { GET: ready },
    '/v2/models/:model/versions/:version/ready': { GET: ready },
    '/v2/models/:model/infer': infer,
    '/v2/models/:model/versions/:version/infer': infer,
    '/v1/models/:model': { GET: ready, POST: predict },
    '/v1/models/:model/versions/:version': { GET: ready, POST: predict },
    '/metrics': {
      GET: async (_request, reply) =>
        reply.header('content-type', metrics.contentType).send(await metrics.exposition()),
    },
  };
}

function addRoute(app: FastifyInstance, url: string, { GET, POST }: Methods): void {
  if (GET !== undefined) {
    app.get(url, GET);
  }
  if (POST !== undefined) {
    app.post(url, { config: { isInference: true } }, POST);
  }
  const allowed = [...(GET ? ['GET', 'HEAD'] : []), ...(POST ? ['POST'] : [])];
  app.route({
    url,
    method: OTHER_METHODS.filter((method) => !allowed.includes(method)),
    onRequest: async (request, reply) => {
      reply.header('allow', allowed.join(', '));
      throw new RequestError('wrong_method', `${request.method} is not possible here, only ${allowed.join(', ')}`);
    },
    handler: () => undefined,
  });
}
