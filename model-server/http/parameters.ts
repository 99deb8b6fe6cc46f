import { badRequest, RequestError } from '../errors.ts';
import { isObject } from '../protocol/json.ts';
import { show } from '../protocol/show.ts';

/** The `parameters` of a request, an input or an output; those that nobody here knows are ignored, as the protocol has it. */
export type Parameters = Readonly<Record<string, unknown>>;

/** What a whole request may ask for: `timeoutMs` from its arrival on, a priority (1 is first), outputs as bytes. */
export type RequestParameters = {
  readonly timeoutMs: number | undefined;
  readonly priority: number | undefined;
  readonly binaryOutput: boolean;
};

const SEQUENCES = ['sequence_id', 'sequence_start', 'sequence_end'];

/** Reads a `parameters` object that may be missing. */
export function parametersOf(value: unknown, where: string): Parameters {
  if (value !== undefined && !isObject(value)) {
    throw badRequest(`parameters of ${where} must be an object, got ${show(value)}`);
  }
  return value ?? {};
}

/** Reads the parameters of a request; refuses those that would need state between requests. */
export function readRequestParameters(parameters: Parameters): RequestParameters {
  const sequence = SEQUENCES.find((name) => Boolean(parameters[name]));
  if (sequence !== undefined) {
    // To answer as if there were no sequence would look like success.
    throw new RequestError('unsupported', `parameter ${sequence}: this server keeps no state between requests`);
  }
  const microseconds = readWhole(parameters, 'timeout', 'the request', 0);
  const priority = readWhole(parameters, 'priority', 'the request', 0);
  return {
    timeoutMs: microseconds ? microseconds / 1000 : undefined,
    // 0 is the protocol's word for the default.
    priority: priority || undefined,
    binaryOutput: readFlag(parameters, 'binary_data_output', 'the request') ?? false,
  };
}

/** Reads a parameter that must be true or false. */
export function readFlag(parameters: Parameters, name: string, where: string): boolean | undefined {
  const value = parameters[name];
  if (value !== undefined && typeof value !== 'boolean') {
    throw badRequest(`parameter ${name} of ${where} must be true or false, got ${show(value)}`);
  }
  return value;
}

/** Reads a parameter that must be a whole number from `least` on. */
export function readWhole(parameters: Parameters, name: string, where: string, least: number): number | undefined {
  const value = parameters[name];
  if (value !== undefined && !(Number.isSafeInteger(value) && Number(value) >= least)) {
    throw badRequest(`parameter ${name} of ${where} must be a whole number of at least ${least}, got ${show(value)}`);
  }
  return value === undefined ? undefined : Number(value);
}
