import type { Fault } from '../flow.ts';

const JSON_TYPE = { 'content-type': 'application/json' } as const;

/** What a caller is told when the gateway must answer by itself. No server's address is ever in it. */
export const FAULTS: Record<
  Fault,
  { readonly status: number; readonly error: string; readonly headers: Readonly<Record<string, string>> }
> = {
  unreachable: { status: 502, error: 'the model server could not be reached', headers: JSON_TYPE },
  broken: { status: 502, error: 'the model server broke off its answer', headers: JSON_TYPE },
  malformed: {
    status: 502,
    error:
      'the model server sent an answer that is not HTTP, or whose end is uncertain: it needs a Content-Length, or the transfer coding "chunked" alone',
    headers: JSON_TYPE,
  },
  redirected: {
    status: 502,
    error: 'the model server redirected the request, which this gateway does not follow',
    headers: JSON_TYPE,
  },
  answer_too_large: {
    status: 502,
    error:
      'the answer is larger than this gateway takes: 64 MiB or --answer-memory, whichever is less, and 16 KiB for its header',
    headers: JSON_TYPE,
  },
  answers_full: {
    status: 503,
    error: 'the memory for answers at this gateway (--answer-memory) is full; try again',
    headers: { ...JSON_TYPE, 'retry-after': '1' },
  },
  deadline: { status: 504, error: 'no answer within the timeout of the model', headers: JSON_TYPE },
  shed: {
    status: 429,
    error: 'every server of this version is at its limit of requests',
    headers: { ...JSON_TYPE, 'retry-after': '1' },
  },
  too_slow: { status: 408, error: 'the request did not arrive in time', headers: JSON_TYPE },
  too_large: { status: 413, error: 'the request body is larger than this gateway accepts', headers: JSON_TYPE },
  client_left: { status: 499, error: 'the caller left', headers: JSON_TYPE },
};

/** Servers answer 500 for a failed run; a 500 of ours would mean a bug of ours, so it goes out as 502 with its body. */
export function statusForCaller(status: number): number {
  return status === 500 ? 502 : status;
}
