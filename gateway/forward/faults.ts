import { maxHeaderSize } from 'node:http';
import type { Fault } from '../flow.ts';
import { sizeText } from '../policy/units.ts';
import { type AnswerMemory, MOST_OF_ONE } from './answer-memory.ts';

const JSON_TYPE = { 'content-type': 'application/json' } as const;

/** The limits that a text names, as they are set. */
export type Limits = {
  /** For answers that are held whole; undefined where they pass as they come. */
  readonly answers?: Pick<AnswerMemory, 'most' | 'mostOfOne'>;
  /** Bytes of a request's body; undefined where it was checked before. */
  readonly body?: number;
};

/** What a caller is told when the gateway must answer by itself. No server's address is ever in it. */
export const FAULTS: Record<
  Fault,
  {
    readonly status: number;
    readonly error: string | ((limits: Limits) => string);
    readonly headers: Readonly<Record<string, string>>;
  }
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
    error: tooLargeText,
    headers: JSON_TYPE,
  },
  answers_full: {
    status: 503,
    error: ({ answers }) =>
      `the memory for answers at this gateway is full${answers ? ` (--answer-memory ${sizeText(answers.most)})` : ''}; try again`,
    headers: { ...JSON_TYPE, 'retry-after': '1' },
  },
  deadline: { status: 504, error: 'no answer within the timeout of the model', headers: JSON_TYPE },
  shed: {
    status: 429,
    error: 'every server of this version is at its limit of requests',
    headers: { ...JSON_TYPE, 'retry-after': '1' },
  },
  too_slow: { status: 408, error: 'the request did not arrive in time', headers: JSON_TYPE },
  too_large: {
    status: 413,
    error: ({ body }) =>
      `the request body is larger than this gateway accepts${body === undefined ? '' : `: ${sizeText(body)}`}`,
    headers: JSON_TYPE,
  },
  client_left: { status: 499, error: 'the caller left', headers: JSON_TYPE },
};

/** The text of a fault, with the limits as they are set. */
export function errorOf(fault: Fault, limits: Limits = {}): string {
  const { error } = FAULTS[fault];
  return typeof error === 'string' ? error : error(limits);
}

function tooLargeText({ answers }: Limits): string {
  const header = sizeText(maxHeaderSize); // what the client of servers takes
  if (answers === undefined) return `the header of the answer is larger than this gateway takes: ${header}`;
  const setting = answers.mostOfOne < MOST_OF_ONE ? ' (--answer-memory)' : '';
  return `the answer is larger than this gateway takes: ${sizeText(answers.mostOfOne)}${setting}, and ${header} for its header`;
}

/** Servers answer 500 for a failed run; a 500 of ours would mean a bug of ours, so it goes out as 502 with its body. */
export function statusForCaller(status: number): number {
  return status === 500 ? 502 : status;
}
