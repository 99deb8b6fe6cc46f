// Every error the gateway itself raises, in one table: code, status, sentence. The status lives with the error.

const table = {
  UNKNOWN_PATH: [404, 'no such path'],
  UNKNOWN_MODEL: [404, 'unknown model'],
  UNKNOWN_VERSION: [404, 'unknown version'],
  PIN_NOT_ALLOWED: [403, 'the policy does not let callers choose the version of this model'],
  OUT_OF_SERVICE: [409, 'this version is out of service'],
  NO_UNIT: [400, 'the request lacks what the rollout sorts callers by'],
  BODY_TOO_LARGE: [413, 'the request body is larger than this gateway accepts'],
  BAD_REQUEST: [400, 'the request could not be read'],
  METHOD_NOT_ALLOWED: [405, 'this path takes another method'],
  NO_WEBSOCKETS: [501, 'websockets are not passed on; open one to the server itself'],
  LOOP: [
    508,
    'this request has passed this gateway before, or eight others: a server of the policy leads back to a gateway',
  ],
  OVERLOADED: [503, 'the gateway has more requests than it can answer in time; try again'],
  TARGET_TOO_LONG: [414, 'the request is for too long a path'],
  EXPECTATION: [417, 'the expectation cannot be met'],
  HEADERS_TOO_LARGE: [431, 'the headers are larger than this gateway accepts'],
  TOO_SLOW: [408, 'the request did not arrive in time'],
  NOT_IMPLEMENTED: [501, 'not implemented'],
  HTTP_VERSION: [505, 'only HTTP/1.1 and HTTP/1.0 are spoken here'],
  UPLOADS_FULL: [503, 'too many request bodies are arriving at once; try again'],
  ADMIN_BUSY: [429, 'too many calls of the admin listener wait for their turn; try again'],
  FORBIDDEN: [403, 'not from here'],
  UNKNOWN_ROLLOUT: [404, 'unknown rollout'],
  UNKNOWN_SHADOW: [404, 'unknown shadow'],
  NOT_POSSIBLE: [409, 'not possible now'],
  EPOCH: [412, 'the rollout has moved since you looked'],
  MEDIA_TYPE: [415, 'only application/json is taken here'],
  UNAUTHORIZED: [401, 'a bearer token is required'],
  STORE_UNAVAILABLE: [503, 'the store is unavailable'],
  INTERNAL: [500, 'internal error of the gateway; the log has the details under this request id'],
} as const satisfies Record<string, readonly [number, string]>;

/** The value of `Proxy-Status` (RFC 9209 section 2.3.18) in a gateway's own LOOP answer. Applications and proxies send 508 too, without it. */
export const LOOP_SIGN = 'sluice; error=proxy_loop_detected';

export type ErrorCode = keyof typeof table;
export const ERROR_CODES = Object.keys(table) as readonly ErrorCode[];

/** An error with its HTTP status. `detail` follows the table's sentence and must be safe to show to a caller. */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    const [status, sentence] = table[code];
    super(detail === undefined ? sentence : `${sentence}: ${detail}`, options);
    this.code = code;
    this.status = status;
    this.detail = detail;
  }
}

/** A mistake in a setting, a flag or a file, told in one line without a stack; the command exits with `exitCode`. */
export class UserError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** The body of every error answer: `{"error": "..."}`. */
export function errorBody(message: string): Buffer {
  return Buffer.from(JSON.stringify({ error: message }));
}

/** The mistake behind a failure to listen, in one line; any other error as it is. */
export function listenError(error: unknown, host: string, port: number, flag: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    const advice = `stop it, or choose another port with ${flag}`;
    return new UserError(`${host}:${port} is in use by another process; ${advice}`, 1, { cause: error });
  }
  const isListening = syscall === 'listen' || syscall === 'getaddrinfo';
  return isListening ? new UserError(`cannot listen on ${host}:${port} (${code})`, 1, { cause: error }) : error;
}

/** The store cannot be asked now. Its message says why, and the store has reported it. */
export class StoreUnavailable extends Error {}

/** Passes on every error but those that the store has reported. */
export function unlessReportedByStore(report: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof StoreUnavailable)) report(error);
  };
}
