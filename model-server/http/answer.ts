import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { ENDINGS, type RequestError, toRequestError } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { type ErrorResponse, JSON_LENGTH_HEADER } from '../protocol/names.ts';
import type { Lifecycle } from '../repository/lifecycle.ts';
import type { Models } from '../repository/models.ts';
import type { BodyMemory } from './body-memory.ts';
import type { Reader } from './reader.ts';
import type { AnswerBody } from './v2-answer.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    isInference?: boolean;
  }
  interface FastifyRequest {
    /** When its header was read, on the clock of `performance.now()`. */
    arrivedAt: number;
  }
}

/** Answers beyond it wait in our memory for a caller that does not take them; smaller ones in the system's. */
const LARGE_BYTES = 64 * 1024;
/** A caller that takes nothing of its answer for this long is cut off. */
const UNTAKEN_MS = 20_000;

/** What the HTTP side needs of the rest. */
export type AppDeps = {
  readonly models: Models;
  readonly lifecycle: Lifecycle;
  readonly reader: Reader;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Of one body, in bytes. */
  readonly bodyLimit: number;
  /** What all bodies may hold together. */
  readonly bodies: BodyMemory;
  /** Whether callers may load and unload models. */
  readonly isExplicit: boolean;
  readonly isDraining: () => boolean;
};

/** What the caller named in the path; v1 has its verb behind a colon. */
export type Target = {
  readonly model: string;
  readonly version: string | undefined;
  readonly verb: string | undefined;
};

/** Answers with JSON text, exactly `application/json`: some clients of the protocol compare the content type. */
export function answer(deps: AppDeps, reply: FastifyReply, status: number, json: string): FastifyReply {
  // fastify would add a charset to a string.
  return send(deps, reply.code(status).header('content-type', 'application/json'), Buffer.from(json));
}

/** Answers an inference: JSON, or JSON and binary tensors with the header that says where they begin. */
export function answerBody(deps: AppDeps, reply: FastifyReply, { bytes, jsonBytes }: AnswerBody): FastifyReply {
  reply.header('content-type', jsonBytes === undefined ? 'application/json' : 'application/octet-stream');
  if (jsonBytes !== undefined) {
    reply.header(JSON_LENGTH_HEADER, jsonBytes);
  }
  return send(deps, reply, bytes);
}

/** Answers whatever was thrown during a request, counts it if it was an inference, logs it if it was our fault. */
export function answerError(
  deps: AppDeps,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const error = toRequestError(thrown, deps.bodyLimit);
  const target = targetOf(request);
  if (request.routeOptions.config?.isInference === true) {
    deps.metrics.ended(deps.models.labels(target.model, target.version), error.ending);
  }
  logError(deps.log, error, request);
  const ending: { readonly status: number; readonly retryAfter?: number } = ENDINGS[error.ending];
  if (ending.retryAfter !== undefined) {
    reply.header('retry-after', ending.retryAfter);
  }
  return answer(deps, reply, ending.status, JSON.stringify({ error: error.message } satisfies ErrorResponse));
}

function send({ isDraining }: AppDeps, reply: FastifyReply, body: Buffer): FastifyReply {
  if (isDraining()) {
    reply.header('connection', 'close');
  }
  if (body.length > LARGE_BYTES) {
    // It is held until the caller has taken it, and no longer than the caller takes something.
    reply.request.held?.count(body.length);
    reply.raw.socket?.setTimeout(UNTAKEN_MS);
  }
  return reply.send(body);
}

/** Reads the names in the path of a request; a version may be an alias, and is undefined where the path has none. */
export function targetOf(request: FastifyRequest): Target {
  const { model = '', version } = (request.params ?? {}) as { readonly model?: string; readonly version?: string };
  const last = version ?? model;
  const colon = last.lastIndexOf(':');
  if (colon < 0 || !request.url.startsWith('/v1/')) {
    return { model, version, verb: undefined };
  }
  const name = last.slice(0, colon);
  const verb = last.slice(colon + 1);
  return version === undefined ? { model: name, version, verb } : { model, version: name, verb };
}

function logError(log: Logger, error: RequestError, request: FastifyRequest): void {
  const fields = { url: request.url.slice(0, 200), requestId: request.headers['x-request-id'], reason: error.message };
  if (error.ending === 'internal') {
    log.error({ ...fields, err: error.cause }, 'request failed for a reason nobody expected');
  } else if (error.ending === 'run_failed') {
    log.warn(fields, 'run failed');
  }
}
