// A fastify app that answers every mistake as {"error": "..."}, and knows how to drain.
import type { Socket } from 'node:net';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HookHandlerDoneFunction,
} from 'fastify';
import { errorBody, LOOP_SIGN, SluiceError } from '../../errors.ts';
import { dropClaims, type TrustedProxies } from './claims.ts';
import { Connections, rawAnswer } from './connections.ts';
import { holdContinue } from './expect.ts';
import { refuseFraming } from './framing.ts';
import { endLate } from './late.ts';
import { inPieces } from './pieces.ts';
import { whyUnreadable } from './unreadable.ts';
import { bodyReader, hasBody } from './uploads.ts';

/** What callers may ask of a listener; every bound holds for one process. */
export type Limits = {
  readonly bodyLimit: number;
  /** Of all request bodies held at once, together. */
  readonly uploadMemory: number;
  /** Of all answers held at once, together. */
  readonly answerMemory: number;
  readonly maxConnections: number;
  /** From the first byte of a request, or the opening of the connection, to the last. */
  readonly requestTimeoutMs: number;
  /** How long bytes of an answer may wait for the caller to take them. */
  readonly answerTimeoutMs: number;
};

export type ListenerOptions = {
  readonly limits: Limits;
  /** The only type of body that is read; any by default. */
  readonly bodyType?: string;
  readonly trustedProxies: TrustedProxies;
  readonly isDraining: () => boolean;
  /** What a caller with an unknown path is told to try. */
  readonly paths: string;
  /** Called for an error that is a bug of ours: the caller gets a 500 without details. */
  readonly onBug: (error: unknown, requestId: string) => void;
  /** Called for every request that never reached a model: unknown name, unreadable, too large. */
  readonly onRefused: (code: string) => void;
};

/** A whole head is due earlier than a whole request. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How often Node looks for requests that are late. */
const LATENESS_CHECK_MS = 1000;

/** A listener's app, without routes. Request bodies are read into memory as they are. */
export function createListener(options: ListenerOptions): FastifyInstance {
  const { limits, onRefused } = options;
  const connections = new Connections({ ...limits, onCut: onRefused });
  const refuse = (error: FastifyError | SluiceError, reply: FastifyReply) =>
    answerError(options, connections, error, reply);
  const app = Fastify({
    bodyLimit: limits.bodyLimit,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: 72_000,
    http: {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, limits.requestTimeoutMs),
      connectionsCheckingInterval: Math.min(LATENESS_CHECK_MS, limits.requestTimeoutMs),
      requireHostHeader: false, // the framing guard says more
      insecureHTTPParser: false, // whatever NODE_OPTIONS say
      maxHeaderSize: 16 * 1024,
    },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Names of any length reach the look-up, whose 404 says more than a 414.
    routerOptions: { maxParamLength: 16 * 1024 },
    // No hook has seen these requests, so what follows them is not trusted either.
    frameworkErrors: (error, { raw }, reply) =>
      connections.whenTurn(raw, () => {
        endAfterAnswer(reply, connections);
        refuse(error, reply);
      }),
    clientErrorHandler: (error, socket) => refuseSocket(options, connections, error, socket),
  });
  // Node would drop what is beyond its limit in silence; the guard refuses it.
  app.server.maxHeadersCount = 0;
  connections.watch(app.server);
  holdContinue(app.server);
  app.server.on('connect', (_request, socket: Socket) => {
    socket.on('error', () => {}); // Node has taken its own listener off: an error that nobody hears ends the process
    socket.resume();
    onRefused('not_implemented');
    connections.refuse(socket, rawAnswer('501 Not Implemented', 'not implemented: the method CONNECT'));
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(options.bodyType ?? '*', bodyReader(limits, connections));
  app.setNotFoundHandler(() => {}); // the guard answers before it
  app.setErrorHandler((error: FastifyError | SluiceError, _request, reply) => refuse(error, reply));
  addGuard(app, options, connections);
  addEnding(app, options, connections);
  return app;
}

/** First of all hooks: what is refused here is seen by nothing else. */
function addGuard(app: FastifyInstance, { trustedProxies, paths }: ListenerOptions, connections: Connections): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    if (connections.isClosing(raw.socket)) return void reply.hijack(); // never answered, so never served either
    if (connections.isTurnOf(raw)) guard(request, reply, done);
    else connections.whenTurn(raw, () => guard(request, reply, done));
  });
  const guard = ({ raw, is404 }: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => {
    const { method = '', url: target = '', httpVersion, rawHeaders } = raw;
    const refusal = refuseFraming({ method, target, httpVersion, rawHeaders });
    if (refusal !== undefined) {
      reply.header('connection', 'close');
      return void done(new SluiceError(refusal.code, refusal.detail));
    }
    // Node's parser drops what came in one packet with it, so what comes after it is no request for sure.
    if (raw.headers.upgrade !== undefined) endAfterAnswer(reply, connections);
    dropClaims(raw, trustedProxies);
    // Said before the body is read.
    done(is404 ? new SluiceError('UNKNOWN_PATH', paths) : undefined);
  };
}

/** Last of all hooks: what an answer says of its connection, and that the connection then does so. */
function addEnding(app: FastifyInstance, { isDraining }: ListenerOptions, connections: Connections): void {
  app.addHook('onSend', ({ raw }, reply, payload, done) => {
    const isUnread = !raw.complete && hasBody(raw);
    if (isDraining() || isUnread) reply.header('connection', 'close');
    if (reply.getHeader('connection') === 'close') connections.endAfterAnswer(raw.socket, isUnread);
    // Callers compare the type exactly; fastify would add a charset.
    if (String(reply.getHeader('content-type')).startsWith('application/json;'))
      reply.header('content-type', 'application/json');
    if (!Buffer.isBuffer(payload)) return void done(null, payload);
    const pieces = inPieces(payload);
    if (pieces !== payload) reply.header('content-length', payload.length); // fastify knows it of a buffer only
    done(null, pieces);
  });
}

/** For answers that are streamed too, which no later hook sees. */
function endAfterAnswer({ raw, request }: FastifyReply, connections: Connections): void {
  raw.setHeader('connection', 'close');
  connections.endAfterAnswer(request.raw.socket, false);
}

/** Closes a listener: what is in flight is answered, and connections that are still open after `withinMs` are cut. */
export async function closeListener(app: FastifyInstance, withinMs: number): Promise<void> {
  // Node's own time limits end with close(), so a request that never arrives whole would hold it for ever.
  const cut = setTimeout(() => app.server.closeAllConnections(), withinMs);
  await app.close();
  clearTimeout(cut);
}

function answerError(
  options: ListenerOptions,
  connections: Connections,
  error: FastifyError | SluiceError,
  reply: FastifyReply,
): FastifyReply {
  const known = toSluiceError(error);
  const requestId = String(reply.getHeader('x-request-id') ?? '');
  const isCounted = isGone(error) && connections.isClosing(reply.request.raw.socket);
  if (known.code === 'INTERNAL') options.onBug(error, requestId);
  else if (!isCounted) options.onRefused(isGone(error) ? 'client_left' : known.code.toLowerCase());
  if (known.status === 503 || known.status === 429) reply.header('retry-after', '1');
  if (known.code === 'LOOP') reply.header('proxy-status', LOOP_SIGN);
  if (known.code === 'UNAUTHORIZED') reply.header('www-authenticate', 'Bearer');
  if (known.code === 'METHOD_NOT_ALLOWED') reply.header('allow', known.detail ?? '');
  return reply.code(known.status).header('content-type', 'application/json').send(errorBody(known.message));
}

/** Whether the connection ended while its body was on the way. */
function isGone(error: FastifyError | SluiceError): boolean {
  return error.code === 'ECONNRESET';
}

function toSluiceError(error: FastifyError | SluiceError): SluiceError {
  if (error instanceof SluiceError) return error;
  const status = isGone(error) ? 400 : (error.statusCode ?? 500);
  if (status < 500) return new SluiceError('BAD_REQUEST', error.message, { cause: error });
  return new SluiceError('INTERNAL', undefined, { cause: error });
}

/** Bytes that are no HTTP request, or not one in time: there is no reply to send it with, only the socket. */
function refuseSocket(
  options: ListenerOptions,
  connections: Connections,
  error: NodeJS.ErrnoException,
  socket: Socket,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  // Bytes after a request that said it was the last: it is answered, they are not (RFC 9112 section 9.6).
  if (error.code === 'HPE_CLOSED_CONNECTION' || connections.isClosing(socket)) return;
  const again = () => refuseSocket(options, connections, error, socket);
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && connections.putOff(socket, options.limits.requestTimeoutMs, again))
    return;
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && endLate(socket)) return;
  const { reason, status, message } = whyUnreadable(error);
  options.onRefused(reason);
  connections.refuse(socket, rawAnswer(status, message));
}
