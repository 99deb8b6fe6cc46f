import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AppDeps, answer, targetOf } from './answer.ts';
import { badRequest, RequestError } from './errors.ts';
import { parseJson } from './json.ts';
import type { ReadyVersion } from './models.ts';
import { pickOutputs } from './signature.ts';
import type { Tensor } from './tensors.ts';
import { readPredictRequest, writePredictResponse } from './v1.ts';
import { readInferRequest, writeInferResponse } from './v2.ts';

/** What answers one route. */
export type Handler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | Promise<FastifyReply>;

type Call = {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
  readonly write: (outputs: readonly Tensor[]) => string;
};

/** Answers `POST /v2/models/{model}[/versions/{version}]/infer`. */
export function inferV2(deps: AppDeps): Handler {
  return (request, reply) => {
    if (request.headers['inference-header-content-length'] !== undefined) {
      throw badRequest('binary tensors are not supported yet: send JSON without inference-header-content-length');
    }
    return infer(deps, request, reply, (body, version) => {
      const { id, inputs, outputs } = readInferRequest(body, version.signature);
      return { inputs, outputs, write: (results) => writeInferResponse(version, id, results) };
    });
  };
}

/** Answers `POST /v1/models/{model}[/versions/{version}]:predict`. */
export function predictV1(deps: AppDeps): Handler {
  return (request, reply) => {
    const { verb } = targetOf(request);
    if (verb !== 'predict') {
      throw new RequestError('not_found', 'the path must end in ":predict", the only v1 verb of this server');
    }
    return infer(deps, request, reply, (body, { signature }) => {
      const call = readPredictRequest(body, signature);
      return {
        inputs: call.inputs,
        outputs: pickOutputs(signature, []),
        write: (results) => writePredictResponse(call, results),
      };
    });
  };
}

async function infer(
  deps: AppDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  read: (body: unknown, version: ReadyVersion) => Call,
): Promise<FastifyReply> {
  refuseEncoding(request, reply);
  const target = targetOf(request);
  const version = deps.models.pick(target.model, target.version);
  const { inputs, outputs, write } = read(parseJson(request.body), version);
  const isWanted = () => !request.raw.socket.destroyed;
  const result = await deps.runner.run({ session: version.session, inputs, outputs, isWanted });
  const json = write(result.outputs);
  deps.metrics.ran({ model: version.model, version: version.version }, result);
  return answer(deps, reply, 200, json);
}

function refuseEncoding(request: FastifyRequest, reply: FastifyReply): void {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    reply.header('accept-encoding', 'identity');
    throw new RequestError('unsupported_encoding', 'compressed bodies are not supported yet: send them as they are');
  }
}
