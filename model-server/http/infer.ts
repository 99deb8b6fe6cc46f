import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequestError } from '../errors.ts';
import { type Asked, type Caller, confidenceIn, predict } from '../predict.ts';
import { CONFIDENCE_HEADER, DEADLINE_HEADER, JSON_LENGTH_HEADER } from '../protocol/names.ts';
import type { ReadyVersion } from '../repository/loader.ts';
import type { Tensor } from '../run/tensors.ts';
import { type AppDeps, answerBody, targetOf } from './answer.ts';
import { hasLeft, hearOfLeaving, readDeadline } from './deadline.ts';
import type { Call, Reading } from './read-call.ts';
import { asTooLarge } from './tensor-text.ts';
import { unpackBody } from './unpack.ts';
import { writePredictResponse } from './v1.ts';
import { type AnswerBody, writeInferResponse } from './v2-answer.ts';

/** What answers one route. */
export type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | Promise<FastifyReply>;

/** Answers `POST /v2/models/{model}[/versions/{version}]/infer`. */
export function inferV2(deps: AppDeps): Handler {
  return (request, reply) => infer(deps, request, reply, 'v2');
}

/** Answers `POST /v1/models/{model}[/versions/{version}|/labels/{label}]:predict`. */
export function predictV1(deps: AppDeps): Handler {
  return (request, reply) => {
    const { verb = '' } = targetOf(request);
    if (UNBUILT_VERBS.has(verb)) {
      throw new RequestError('unsupported', `":${verb}" is not supported: ":predict" answers any model`);
    }
    if (verb !== 'predict') {
      throw new RequestError('not_found', 'the path must end in ":predict", the only v1 verb of this server');
    }
    return infer(deps, request, reply, 'v1');
  };
}

const UNBUILT_VERBS = new Set(['classify', 'regress', 'explain']);

async function infer(
  deps: AppDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  dialect: Reading['dialect'],
): Promise<FastifyReply> {
  // A caller may leave while its body is worked on.
  request.held.keep();
  try {
    return await inferHeld(deps, request, reply, dialect);
  } finally {
    request.held.letGo();
  }
}

async function inferHeld(
  deps: AppDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  dialect: Reading['dialect'],
): Promise<FastifyReply> {
  const deadlineMs = readDeadline(request.headers[DEADLINE_HEADER]);
  const target = targetOf(request);
  // Before the body is unpacked: nobody waits for an answer about a model that there is not.
  deps.models.pick(target.model, target.version);
  const body = await unpackBody(request, reply, deps.bodyLimit);
  const version = deps.models.pick(target.model, target.version);
  const leave = version.runner.enter();
  try {
    const jsonLength = request.headers[JSON_LENGTH_HEADER]?.toString();
    const call = await deps.reader.read({ dialect, body, jsonLength, signature: version.signature });
    if (deadlineMs !== undefined) {
      await hearOfLeaving();
    }
    const result = await predict(version, askedBy(call, deadlineMs), callerOf(request, reply));
    const confidence = confidenceIn(result, version);
    const answer = written(version, call, result.outputs, confidence);
    deps.metrics.answered(version, result);
    version.statistics.succeeded(result.queueSeconds, (performance.now() - request.arrivedAt) / 1000);
    if (confidence !== undefined) {
      reply.header(CONFIDENCE_HEADER, confidence);
    }
    return answerBody(deps, reply, answer);
  } catch (error) {
    version.statistics.failed((performance.now() - request.arrivedAt) / 1000);
    throw error;
  } finally {
    leave();
  }
}

/** What is too long for an answer is a limit of this server, and no fault of the model. */
function written(...of: Parameters<typeof write>): AnswerBody {
  try {
    return write(...of);
  } catch (error) {
    throw asTooLarge(error);
  }
}

function write(
  version: ReadyVersion,
  call: Call,
  outputs: readonly Tensor[],
  confidence: number | undefined,
): AnswerBody {
  if (call.dialect === 'v2') {
    return writeInferResponse(version, call, outputs, confidence);
  }
  const wanted = outputs.filter(({ name }) => call.outputs.includes(name));
  return { bytes: Buffer.from(writePredictResponse(call, wanted)), jsonBytes: undefined };
}

function askedBy(call: Call, deadlineMs: number | undefined): Asked {
  const { inputs, outputs } = call;
  const { timeoutMs, priority } = call.dialect === 'v2' ? call : { timeoutMs: undefined, priority: undefined };
  const names = outputs.map((output) => (typeof output === 'string' ? output : output.name));
  return { inputs, outputs: names, limitsMs: [deadlineMs, timeoutMs], priority };
}

function callerOf(request: FastifyRequest, reply: FastifyReply): Caller {
  return {
    waitedMs: () => performance.now() - request.arrivedAt,
    hasLeft: () => hasLeft(request.raw),
    onLeave(leave) {
      reply.raw.once('close', leave);
      return () => reply.raw.off('close', leave);
    },
  };
}
