// Requests of models with protocol http: any method and path below a prefix, streamed both ways and never parsed.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { SluiceError } from '../../errors.ts';
import type { Answer, Facts, OnLeave } from '../../flow.ts';
import { sizeText } from '../../policy/units.ts';
import { onLeaveOf, writeAnswer } from './answer.ts';
import { sendContinue } from './expect.ts';
import { factsOf } from './facts.ts';
import { whenLate } from './late.ts';

export type OpaqueDeps = {
  /** Model names by prefix. */
  readonly prefixes: () => ReadonlyMap<string, string>;
  readonly bodyLimit: number;
  /** How long bytes of an answer may wait for the caller to take them. */
  readonly answerTimeoutMs: number;
  readonly isDraining: () => boolean;
  readonly stream: (facts: Facts, path: string, streams: OpaqueStreams, onLeave: OnLeave) => Promise<Streamed>;
};

export type OpaqueStreams = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly prefix: string;
  readonly bodyLimit: number;
  readonly answerTimeoutMs: number;
  readonly askForBody: () => void;
  readonly whenLate: (end: () => void) => void;
};

type Streamed = { readonly answer: Answer; readonly marks: Readonly<Record<string, string>> };

/** A prefix has at most so many segments. */
const MOST_SEGMENTS = 8;
/** Between slashes that are encoded; the framing guard refuses the others. */
const DOT_SEGMENT = /(?:\/|%2f|%5c)(?:\.|%2e){1,2}(?:\/|%2f|%5c|$)/i;

type OnRequest = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void;

/** Adds the route of last resort: what is below a prefix is let in by `admit` and streamed, all else is `onOther`'s. */
export function addOpaqueRoute(
  app: FastifyInstance,
  deps: OpaqueDeps,
  admit: OnRequest,
  onOther: (request: FastifyRequest) => never,
): void {
  // In a hook that ends the request, for a body that is streamed must not be read first.
  const onRequest: OnRequest = (request, reply, done) => {
    const found = findPrefix(deps.prefixes(), pathOf(request.raw));
    if (found === undefined) return onOther(request);
    refuseUnstreamable(request, deps.bodyLimit);
    admit(request, reply, (error) => {
      if (error) done(error);
      else void relay(deps, request, reply, found);
    });
  };
  app.all('/*', { onRequest }, onOther);
}

type Found = { readonly prefix: string; readonly model: string };

/** The model whose prefix a path lies below. */
export function findPrefix(prefixes: ReadonlyMap<string, string>, path: string): Found | undefined {
  if (prefixes.size === 0) return undefined;
  let end = 0;
  for (let segment = 0; segment < MOST_SEGMENTS && end < path.length; segment++) {
    const next = path.indexOf('/', end + 1);
    end = next === -1 ? path.length : next;
    const prefix = path.slice(0, end);
    const model = prefixes.get(prefix);
    if (model !== undefined) return { prefix, model };
  }
  return undefined;
}

function pathOf({ url = '/' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

function refuseUnstreamable({ raw, headers }: FastifyRequest, bodyLimit: number): void {
  // A server may resolve "..", and then the request is somewhere else than where it was decided.
  if (DOT_SEGMENT.test(pathOf(raw))) throw new SluiceError('BAD_REQUEST', 'its path has "." or ".." in it');
  if (headers.upgrade !== undefined && /websocket/i.test(headers.upgrade)) throw new SluiceError('NO_WEBSOCKETS');
  if (Number(headers['content-length'] ?? 0) > bodyLimit) throw new SluiceError('BODY_TOO_LARGE', sizeText(bodyLimit));
}

async function relay(deps: OpaqueDeps, request: FastifyRequest, reply: FastifyReply, found: Found): Promise<void> {
  const { prefix, model } = found;
  const facts = factsOf(request, 'opaque', model, undefined);
  reply.header('x-request-id', facts.id);
  if (deps.isDraining()) reply.raw.shouldKeepAlive = false;
  const streams = {
    request: request.raw,
    response: reply.raw,
    prefix,
    bodyLimit: deps.bodyLimit,
    answerTimeoutMs: deps.answerTimeoutMs,
    askForBody: () => sendContinue(request.raw),
    whenLate: (end: () => void) => whenLate(request.raw, end),
  };
  const url = request.raw.url ?? '/';
  const rest = url.slice(prefix.length);
  try {
    const { answer, marks } = await deps.stream(
      facts,
      rest.startsWith('/') ? rest : `/${rest}`,
      streams,
      onLeaveOf(request, reply),
    );
    if (answer.isDelivered) reply.hijack();
    else writeAnswer(reply, answer, marks);
  } catch (error) {
    reply.send(error);
  }
}
