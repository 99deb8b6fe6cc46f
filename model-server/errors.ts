import { Malformed } from './protocol/malformed.ts';

/** Every way a request can end other than well: its HTTP status, and after how many seconds a retry makes sense. */
export const ENDINGS = {
  bad_request: { status: 400 },
  forbidden: { status: 403 },
  not_found: { status: 404 },
  wrong_method: { status: 405 },
  too_large: { status: 413 },
  unsupported_encoding: { status: 415 },
  // The model has answered: its answer can be had in another form, or in parts.
  answer_too_large: { status: 400 },
  queue_full: { status: 429, retryAfter: 1 },
  memory_full: { status: 429, retryAfter: 1 },
  client_left: { status: 499 },
  run_failed: { status: 500 },
  internal: { status: 500 },
  unsupported: { status: 501 },
  not_ready: { status: 503, retryAfter: 1 },
  draining: { status: 503, retryAfter: 1 },
  deadline: { status: 504 },
} as const satisfies Record<string, { readonly status: number; readonly retryAfter?: number }>;

/** The name of an ending, in answers' metrics and in the log. */
export type Ending = keyof typeof ENDINGS;

/** An error whose message is meant for the caller and whose ending says the status. */
export class RequestError extends Error {
  readonly ending: Ending;

  constructor(ending: Ending, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RequestError';
    this.ending = ending;
  }
}

/** A repository that cannot be served from at all, told in one line; a single bad version is no such thing. */
export class RepositoryError extends Error {}

/** A version that would have run on another provider than the one it must. */
export class ProviderError extends Error {}

/** Makes the commonest refusal: the request itself is wrong. */
export function badRequest(message: string): RequestError {
  return new RequestError('bad_request', message);
}

/** Refuses a request that is larger than some limit of this server. */
export function tooLarge(message: string): RequestError {
  return new RequestError('too_large', message);
}

/** Reads a part of a request; what is malformed in it is refused, with where it stands before the reason. */
export function refusing<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof Malformed ? badRequest(where + error.message) : error;
  }
}

/** Turns whatever was thrown into an error that can be answered; what nobody expected is told to the log only. */
export function toRequestError(error: unknown, bodyLimit: number): RequestError {
  if (error instanceof RequestError) {
    return error;
  }
  const status = statusOf(error);
  if (status === 413) {
    return tooLarge(`the body is larger than this server's limit of ${bodyLimit} bytes`);
  }
  if (status !== undefined && status >= 400 && status < 500) {
    return new RequestError('bad_request', messageOf(error), { cause: error });
  }
  return new RequestError('internal', 'internal error; the log of this server says more', { cause: error });
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Makes a runtime's message fit for an answer: one line, no source or folder names of ours, at most 300 characters. */
export function cleanReason(message: string): string {
  const line = message
    .replace(/Load model from .* failed:/g, 'load failed: ')
    .replace(/Non-zero status code returned while running (\S+) node\. Name:'([^']*)' Status Message:/g, '$1 node $2:')
    .replace(/\/onnxruntime_src\/\S+:\d+ [^()]*\([^()]*\)/g, '')
    .replace(/(?:\/[^\s/:]+){2,}\/([^\s/:]+)/g, '$1')
    .replace(/\s+/g, ' ')
    .replace(/ :/g, ':')
    .trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

function statusOf(error: unknown): number | undefined {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' ? status : undefined;
}
