import type { FastifyReply, FastifyRequest } from 'fastify';
import { badRequest, RequestError } from '../errors.ts';
import { isObject } from '../protocol/json.ts';
import { show } from '../protocol/show.ts';
import { type AppDeps, answer, targetOf } from './answer.ts';
import { describeIndex } from './describe.ts';
import type { Handler } from './infer.ts';
import { parseJson } from './json.ts';
import { parametersOf, readFlag } from './parameters.ts';

/** Answers `POST /v2/repository/index`: every version and its state, or with `{"ready": true}` those that answer. */
export function indexRepository(deps: AppDeps): Handler {
  return (request, reply) => {
    const onlyReady = readFlag(bodyOf(request), 'ready', 'the request') ?? false;
    return answer(deps, reply, 200, JSON.stringify(describeIndex(deps.models, onlyReady)));
  };
}

/** Answers `POST /v2/repository/models/{model}/load`; when it does, every version of the model answers. */
export function loadModel(deps: AppDeps): Handler {
  return async (request, reply) => {
    requireControl(deps, request);
    const parameters = parametersOf(bodyOf(request).parameters, 'the request');
    const override = Object.keys(parameters).find((name) => name === 'config' || name.startsWith('file:'));
    if (override !== undefined) {
      throw new RequestError(
        'unsupported',
        `parameter ${show(override)}: models are loaded from the repository only; put model.onnx and model.yaml there`,
      );
    }
    const { model } = targetOf(request);
    await deps.lifecycle.load(model);
    return done(deps, reply, model, 'load');
  };
}

/** Answers `POST /v2/repository/models/{model}/unload`, when every request to the model has been answered. */
export function unloadModel(deps: AppDeps): Handler {
  return async (request, reply) => {
    requireControl(deps, request);
    // No model here depends on another, so this has nothing to do; but it must be well formed.
    readFlag(parametersOf(bodyOf(request).parameters, 'the request'), 'unload_dependents', 'the request');
    const { model } = targetOf(request);
    await deps.lifecycle.unload(model);
    return done(deps, reply, model, 'unload');
  };
}

function done(deps: AppDeps, reply: FastifyReply, name: string, verb: 'load' | 'unload'): FastifyReply {
  return answer(deps, reply, 200, JSON.stringify({ name, [verb]: true }));
}

/** A web page can send a POST to this machine unasked; a browser then says so. No page has any business here. */
function requireControl({ isExplicit }: AppDeps, { headers }: FastifyRequest): void {
  if (headers.origin !== undefined || !['none', undefined].includes(headers['sec-fetch-site'] as string | undefined)) {
    throw new RequestError(
      'forbidden',
      'models are not loaded or unloaded for a web page: leave out the Origin header',
    );
  }
  if (!isExplicit) {
    throw badRequest('models cannot be loaded or unloaded by a call: start this server with --model-control explicit');
  }
}

/** The body of a call whose body may be empty. */
function bodyOf({ body }: FastifyRequest): Readonly<Record<string, unknown>> {
  const parsed = Buffer.isBuffer(body) && body.length > 0 ? parseJson(body) : {};
  if (!isObject(parsed)) {
    throw badRequest(`the body must be a JSON object or empty, got ${show(parsed)}`);
  }
  return parsed;
}
