// A fastify app that answers every mistake as {"error": "..."}, and knows how to drain.
import type { Socket } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { errorBody, SluiceError } from '../errors.ts';

export type ListenerOptions = {
  readonly bodyLimit: number;
  readonly isDraining: () => boolean;
  /** What a caller with an unknown path is told to try. */
  readonly paths: string;
  /** Called for an error that is a bug of ours: the caller gets a 500 without details. */
  readonly onBug: (error: unknown, requestId: string) => void;
  /** Called for every request that never reached a model: unknown name, unreadable, too large. */
  readonly onRefused: (code: string) => void;
};

/** A listener's app, without routes. */
export function createListener(options: ListenerOptions): FastifyInstance {
  const refuse = (error: FastifyError | SluiceError, reply: FastifyReply) => answerError(options, error, reply);
  const app = Fastify({
    bodyLimit: options.bodyLimit,
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 1000, requireHostHeader: false },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Names of any length reach the look-up, whose 404 says more than a 414.
    routerOptions: { maxParamLength: 16 * 1024 },
    frameworkErrors: (error, _request, reply) => void refuse(error, reply),
    clientErrorHandler: (error, socket) => refuseSocket(options, error, socket),
  });
  // Node's limit of headers would drop what is beyond it in silence; the limit of 16 KiB for all of them stays.
  app.server.maxHeadersCount = 0;
  app.server.on('checkExpectation', (_request, response) => {
    options.onRefused('bad_request');
    const body = errorBody('only Expect: 100-continue is understood');
    response
      .writeHead(417, { 'content-type': 'application/json', 'content-length': body.length, connection: 'close' })
      .end(body);
  });
  app.setNotFoundHandler(() => {
    throw new SluiceError('UNKNOWN_PATH', options.paths);
  });
  app.setErrorHandler((error: FastifyError | SluiceError, _request, reply) => refuse(error, reply));
  app.addHook('onRequest', (request, reply, done) => {
    // RFC 9112 section 3.2. Node would answer this one itself, without a body.
    const isHostless = request.headers.host === undefined && request.raw.httpVersion === '1.1';
    if (isHostless) reply.header('connection', 'close');
    done(isHostless ? new SluiceError('BAD_REQUEST', 'it has no Host header') : undefined);
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (options.isDraining()) reply.header('connection', 'close');
    // Callers compare the type exactly; fastify would add a charset.
    if (String(reply.getHeader('content-type')).startsWith('application/json;'))
      reply.header('content-type', 'application/json');
    done(null, payload);
  });
  return app;
}

/** Closes a listener: what is in flight is answered, and connections that are still open after `withinMs` are cut. */
export async function closeListener(app: FastifyInstance, withinMs: number): Promise<void> {
  // Node's own time limits end with close(), so a request that never arrives whole would hold it for ever.
  const cut = setTimeout(() => app.server.closeAllConnections(), withinMs);
  await app.close();
  clearTimeout(cut);
}

function answerError(options: ListenerOptions, error: FastifyError | SluiceError, reply: FastifyReply): FastifyReply {
  const known = toSluiceError(error);
  const requestId = String(reply.getHeader('x-request-id') ?? '');
  if (known.code === 'INTERNAL') options.onBug(error, requestId);
  else options.onRefused(isGone(error) ? 'client_left' : known.code.toLowerCase());
  if (known.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer');
  if (known.code === 'OVERLOADED') reply.header('retry-after', '1');
  if (known.code === 'METHOD_NOT_ALLOWED') reply.header('allow', known.detail ?? '');
  return reply.code(known.status).header('content-type', 'application/json').send(errorBody(known.message));
}

/** Whether the caller hung up while its body was on the way. */
function isGone(error: FastifyError | SluiceError): boolean {
  return error.code === 'ECONNRESET';
}

function toSluiceError(error: FastifyError | SluiceError): SluiceError {
  if (error instanceof SluiceError) return error;
  const status = error.statusCode ?? 500;
  if (status === 413) return new SluiceError('BODY_TOO_LARGE', undefined, { cause: error });
  if (status < 500) return new SluiceError('BAD_REQUEST', error.message, { cause: error });
  return new SluiceError('INTERNAL', undefined, { cause: error });
}

/** Bytes that are no HTTP request, or not one in time: there is no reply to send it with, only the socket. */
function refuseSocket(options: ListenerOptions, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  options.onRefused('bad_request');
  const status = SOCKET_STATUS[error.code ?? ''] ?? '400 Bad Request';
  const body = errorBody(`the request could not be read: ${status.slice(4).toLowerCase()}`);
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`;
  socket.end(Buffer.concat([Buffer.from(head), body]));
}

const SOCKET_STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};
