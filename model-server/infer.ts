import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AppDeps, answerBody, targetOf } from './answer.ts';
import { confidenceOf } from './confidence.ts';
import { clientLeft, deadlinePassed, inTime, readDeadline, timeLeft } from './deadline.ts';
import { badRequest, RequestError, tooLarge } from './errors.ts';
import { parseJson } from './json.ts';
import type { ReadyVersion } from './loader.ts';
import { CONFIDENCE_HEADER, DEADLINE_HEADER, JSON_LENGTH_HEADER } from './protocol.ts';
import type { RunResult } from './runner.ts';
import { pickOutputs, takesWholeNumbers } from './signature.ts';
import type { Tensor } from './tensors.ts';
import { unpackBody } from './unpack.ts';
import { readPredictRequest, writePredictResponse } from './v1.ts';
import { readInferRequest } from './v2.ts';
import { type AnswerBody, writeInferResponse } from './v2-answer.ts';

/** What answers one route. */
export type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | Promise<FastifyReply>;

/** What one of the two dialects made of a body, and how it writes the answer. */
type Call = {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  readonly timeoutMs?: number | undefined;
  readonly priority?: number | undefined;
  readonly write: (outputs: readonly Tensor[], confidence: number | undefined) => AnswerBody;
};

type Read = (body: unknown, version: ReadyVersion, request: FastifyRequest) => Call;

/** Answers `POST /v2/models/{model}[/versions/{version}]/infer`. */
export function inferV2(deps: AppDeps): Handler {
  return (request, reply) => infer(deps, request, reply, readV2);
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
    return infer(deps, request, reply, readV1);
  };
}

const UNBUILT_VERBS = new Set(['classify', 'regress', 'explain']);

async function infer(deps: AppDeps, request: FastifyRequest, reply: FastifyReply, read: Read): Promise<FastifyReply> {
  const deadlineMs = readDeadline(request.headers[DEADLINE_HEADER]);
  const target = targetOf(request);
  // Before the body is unpacked: nobody waits for an answer about a model that there is not.
  deps.models.pick(target.model, target.version);
  const body = await unpackBody(request, reply, deps.bodyLimit);
  // The version that serves now; from here to its queue nothing waits, so it cannot be taken away in between.
  const version = deps.models.pick(target.model, target.version);
  try {
    const call = read(body, version, request);
    const result = await run(version, call, request, reply, deadlineMs);
    const confidence = confidenceIn(result, version);
    const answer = call.write(result.outputs, confidence);
    deps.metrics.answered(version, result);
    version.statistics.succeeded(result.queueSeconds, (performance.now() - request.arrivedAt) / 1000);
    if (confidence !== undefined) {
      reply.header(CONFIDENCE_HEADER, confidence);
    }
    return answerBody(deps, reply, answer);
  } catch (error) {
    version.statistics.failed((performance.now() - request.arrivedAt) / 1000);
    throw error;
  }
}

function readV2(body: unknown, version: ReadyVersion, request: FastifyRequest): Call {
  const jsonLength = request.headers[JSON_LENGTH_HEADER];
  const call = readInferRequest(body, jsonLength === undefined ? undefined : String(jsonLength), version.signature);
  return {
    ...call,
    outputs: call.outputs.map(({ name }) => name),
    write: (outputs, confidence) => writeInferResponse(version, call, outputs, confidence),
  };
}

function readV1(body: unknown, { signature }: ReadyVersion): Call {
  const call = readPredictRequest(parseJson(body, { exact: takesWholeNumbers(signature) }), signature);
  const outputs = pickOutputs(signature, []);
  const half = outputs.find(({ datatype }) => datatype === 'FP16');
  if (half !== undefined) {
    throw badRequest(`output "${half.name}" is FP16, which has no JSON form: use /v2/.../infer with binary outputs`);
  }
  const names = outputs.map(({ name }) => name);
  return {
    inputs: call.inputs,
    outputs: names,
    write: (results) => ({
      bytes: Buffer.from(
        writePredictResponse(
          call,
          results.filter(({ name }) => names.includes(name)),
        ),
      ),
      jsonBytes: undefined,
    }),
  };
}

function run(
  version: ReadyVersion,
  call: Call,
  request: FastifyRequest,
  reply: FastifyReply,
  deadlineMs: number | undefined,
): Promise<RunResult> {
  refuseLarge(call.inputs, version);
  const { settings } = version;
  const timeoutMs = settings.queue?.timeout === undefined ? undefined : settings.queue.timeout / 1000;
  const leftMs = timeLeft(performance.now() - request.arrivedAt, [deadlineMs, call.timeoutMs, timeoutMs]);
  if (leftMs !== undefined && leftMs <= 0) {
    throw deadlinePassed();
  }
  if (request.raw.socket.destroyed) {
    throw clientLeft();
  }
  const extra = settings.confidence === undefined ? [] : [settings.confidence.output];
  const outputs = [...new Set([...call.outputs, ...extra])];
  const ticket = version.runner.submit({ inputs: call.inputs, outputs, priority: call.priority });
  return inTime(ticket, leftMs, (leave) => {
    reply.raw.once('close', leave);
    return () => reply.raw.off('close', leave);
  });
}

function refuseLarge(inputs: readonly Tensor[], { hasRows, settings }: ReadyVersion): void {
  const rows = inputs[0]?.shape[0] ?? 1;
  if (hasRows && rows > settings.max_request_rows) {
    throw tooLarge(`a request may have ${settings.max_request_rows} rows, this one has ${rows}: send it in parts`);
  }
  for (const { name, data } of inputs) {
    // Characters, which are never more than bytes: a text this long is too long in any measure.
    if (Array.isArray(data) && data.some((text) => text.length > settings.max_text)) {
      throw tooLarge(`an element of input "${name}" is longer than ${settings.max_text} characters`);
    }
  }
}

function confidenceIn({ outputs }: RunResult, { settings: { confidence } }: ReadyVersion): number | undefined {
  const output = confidence && outputs.find(({ name }) => name === confidence.output);
  return output && confidenceOf(output, confidence.as);
}
