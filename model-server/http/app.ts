import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { RequestError } from '../errors.ts';
import { type AppDeps, answer, answerError, type Target, targetOf } from './answer.ts';
import { holdBodies } from './body-memory.ts';
import { describeModel, describeReadiness, describeServer, describeStatistics } from './describe.ts';
import { type Handler, inferV2, predictV1 } from './infer.ts';
import { Turns } from './pipeline.ts';
import { receiveBody } from './receive-body.ts';
import { indexRepository, loadModel, unloadModel } from './repository-api.ts';
import { refuseConnect, refuseExpectation, refuseUnreadable } from './unreadable.ts';
import { describeV1Metadata, describeV1Status } from './v1-describe.ts';

type Methods = { readonly GET?: Handler; readonly POST?: Handler; readonly isInference?: boolean };

const SECOND = 1000;
const OTHER_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** Builds the HTTP side of the model server: every route, every refusal, nothing listening yet. */
export function createApp(deps: AppDeps): FastifyInstance {
  const turns = new Turns();
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
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket, turns),
    frameworkErrors: (error, request, reply) => answerError(deps, error, request, reply),
  });
  app.server.on('checkExpectation', (request, response) => {
    turns.begin(request, response);
    refuseExpectation(response);
  });
  app.server.on('connect', (_request, socket: Socket) => refuseConnect(socket, turns));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) =>
    receiveBody(payload, deps.bodyLimit, request.held),
  );
  turns.rule(app);
  holdBodies(app, deps.bodies);
  app.decorateRequest('arrivedAt', 0);
  app.addHook('onRequest', (request, reply, done) => {
    request.arrivedAt = performance.now();
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
  return { ...serverRoutes(deps), ...modelRoutes(deps), ...v1Routes(deps) };
}

function serverRoutes(deps: AppDeps): Readonly<Record<string, Methods>> {
  const { lifecycle, metrics, isDraining, isExplicit } = deps;
  const server: Handler = (_request, reply) => json(deps, reply, 200, describeServer(isExplicit));
  const probe =
    (name: string, isSo: () => boolean): Handler =>
    (_request, reply) =>
      json(deps, reply, isSo() ? 200 : 503, { [name]: isSo() });
  return {
    '/v2': { GET: server },
    // The OpenAPI file of the protocol writes it so.
    '/v2/': { GET: server },
    '/v2/health/live': { GET: probe('live', () => true) },
    '/v2/health/ready': { GET: probe('ready', () => lifecycle.isReady && !isDraining()) },
    '/startupz': { GET: probe('started', () => lifecycle.hasStarted) },
    '/v2/repository/index': { POST: indexRepository(deps) },
    '/v2/repository/models/:model/load': { POST: loadModel(deps) },
    '/v2/repository/models/:model/unload': { POST: unloadModel(deps) },
    '/metrics': {
      GET: async (_request, reply) =>
        reply.header('content-type', metrics.contentType).send(await metrics.exposition()),
    },
  };
}

function modelRoutes(deps: AppDeps): Readonly<Record<string, Methods>> {
  const model = described(deps, ({ model, version }) => describeModel(deps.models, model, version));
  const statistics = described(deps, ({ model, version }) =>
    describeStatistics(deps.models, model === '' ? undefined : model, version),
  );
  const ready = readiness(deps, describeReadiness);
  const infer = inferV2(deps);
  return {
    '/v2/models/stats': { GET: statistics },
    '/v2/models/:model': { GET: model },
    '/v2/models/:model/versions/:version': { GET: model },
    '/v2/models/:model/ready': { GET: ready },
    '/v2/models/:model/versions/:version/ready': { GET: ready },
    '/v2/models/:model/stats': { GET: statistics },
    '/v2/models/:model/versions/:version/stats': { GET: statistics },
    '/v2/models/:model/infer': { POST: infer, isInference: true },
    '/v2/models/:model/versions/:version/infer': { POST: infer, isInference: true },
  };
}

function v1Routes(deps: AppDeps): Readonly<Record<string, Methods>> {
  const metadata = described(deps, ({ model, version }) => describeV1Metadata(deps.models, model, version));
  const model = { GET: readiness(deps, describeV1Status), POST: predictV1(deps), isInference: true };
  return {
    '/v1/models': { GET: described(deps, () => ({ models: deps.models.names() })) },
    '/v1/models/:model': model,
    '/v1/models/:model/versions/:version': model,
    '/v1/models/:model/labels/:version': model,
    '/v1/models/:model/metadata': { GET: metadata },
    '/v1/models/:model/versions/:version/metadata': { GET: metadata },
    '/v1/models/:model/labels/:version/metadata': { GET: metadata },
  };
}

function json(deps: AppDeps, reply: FastifyReply, status: number, body: unknown): FastifyReply {
  return answer(deps, reply, status, JSON.stringify(body));
}

function described(deps: AppDeps, describe: (target: Target) => unknown): Handler {
  return (request, reply) => json(deps, reply, 200, describe(targetOf(request)));
}

type DescribeReadiness = (models: AppDeps['models'], model: string, version: string | undefined) => { ready: boolean };

function readiness(deps: AppDeps, describe: DescribeReadiness): Handler {
  return (request, reply) => {
    const { model, version } = targetOf(request);
    const body = describe(deps.models, model, version);
    return json(deps, reply, body.ready ? 200 : 503, body);
  };
}

function addRoute(app: FastifyInstance, url: string, { GET, POST, isInference = false }: Methods): void {
  if (GET !== undefined) {
    app.get(url, GET);
  }
  if (POST !== undefined) {
    app.post(url, { config: { isInference } }, POST);
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
