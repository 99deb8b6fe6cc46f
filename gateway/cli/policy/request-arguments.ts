// A request from the arguments of curl, or from a file: what the gateway would know of it.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { Facts } from '../../flow.ts';
import { parseWhole, partOf } from '../text/exact-json.ts';
import { type Target, targetOf } from './target.ts';

export type RequestArguments = {
  readonly url: string;
  readonly file: string;
  readonly request: string;
  readonly header: readonly string[];
  readonly data: readonly string[];
  readonly 'data-binary': readonly string[];
  readonly 'data-raw': readonly string[];
  readonly 'user-agent': string;
  readonly cookie: string;
  readonly user: string;
};

export type DescribedRequest = { readonly target: Target & { readonly method: string }; readonly facts: Facts };

type Headers = Record<string, string>;

const RequestFile = z.strictObject({
  path: z.string().min(1),
  headers: z.record(z.string(), z.string()).default({}),
  /** Text is sent as it is, anything else as JSON. */
  body: z.unknown().optional(),
});

/** The request that the arguments describe. Throws UserError for what they cannot mean. */
export function requestFrom(given: RequestArguments, prefixes: ReadonlyMap<string, string>): DescribedRequest {
  if (given.file !== '' && given.url !== '') throw new UserError('give either a URL or --file, not both', 2);
  const file = given.file === '' ? undefined : readRequestFile(given.file);
  const where = file?.path ?? given.url;
  if (where === '')
    throw new UserError('which request? Give a URL, a path such as /v2/models/digits/infer, a model or --file', 2);
  const target = targetOf(where, prefixes);
  const data = dataOf(given);
  const method = given.request === '' ? data && 'POST' : given.request.toUpperCase();
  if (method !== undefined && target.method !== undefined && method !== target.method)
    throw new UserError(`the gateway answers 405 for ${method} ${target.path}: that path is for ${target.method}`);
  const headers = headersOf([...Object.entries(file?.headers ?? {}), ...headersGiven(given)]);
  // A body that is streamed is never looked into.
  const body = target.call === 'opaque' ? undefined : (data ?? file?.body);
  const asked = { ...target, method: target.method ?? method ?? 'GET' };
  return { target: asked, facts: factsOf(target, headers, body ?? Buffer.alloc(0)) };
}

function factsOf(target: Target, headers: Headers, body: Buffer): Facts {
  return {
    id: headers['x-request-id'] ?? 'explained',
    model: target.model,
    call: target.call,
    pin: target.version ?? headers['x-sluice-version'],
    headers,
    rawHeaders: Object.entries(headers).flat(),
    body,
  };
}

/** curl has options of its own for some headers. */
function headersGiven(given: RequestArguments): (readonly [string, string])[] {
  const basic = given.user && `Basic ${Buffer.from(given.user).toString('base64')}`;
  const own = { 'user-agent': given['user-agent'], cookie: given.cookie, authorization: basic };
  return [...Object.entries(own).filter(([, value]) => value !== ''), ...given.header.flatMap(readHeader)];
}

/** By lower-case name; what is sent twice is joined, as node does. */
function headersOf(pairs: readonly (readonly [string, string])[]): Headers {
  const headers = new Map<string, string>();
  for (const [name, value] of pairs) {
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}

/** `name: value`; as in curl `name;` is a header without a value, and `name:` is one that is not sent. */
function readHeader(text: string): [string, string][] {
  const [, empty] = /^([^\s:;]+);$/.exec(text) ?? [];
  if (empty !== undefined) return [[empty, '']];
  const [, name, value = ''] = /^([^\s:]+)\s*:\s*(.*?)\s*$/s.exec(text) ?? [];
  if (name === undefined) throw new UserError(`-H: expected "name: value", got "${text}"`, 2);
  return value === '' ? [] : [[name, value]];
}

/** Several pieces of data are joined by "&", as curl does. */
function dataOf(given: RequestArguments): Buffer | undefined {
  const pieces = [
    ...given.data.map((text) => (text.startsWith('@') ? withoutLineBreaks(readData(text)) : Buffer.from(text))),
    ...given['data-binary'].map((text) => (text.startsWith('@') ? readData(text) : Buffer.from(text))),
    ...given['data-raw'].map((text) => Buffer.from(text)),
  ];
  if (pieces.length === 0) return undefined;
  return Buffer.concat(pieces.flatMap((piece, i) => (i === 0 ? [piece] : [Buffer.from('&'), piece])));
}

/** curl takes them out of a file given to -d, so the size of the body differs by them. */
function withoutLineBreaks(bytes: Buffer): Buffer {
  return Buffer.from(bytes.filter((byte) => byte !== 0x0a && byte !== 0x0d));
}

/** `@FILE`, or `@-` for standard input. */
function readData(text: string): Buffer {
  return readOrSay(text.slice(1), 'data');
}

function readRequestFile(file: string): { path: string; headers: Headers; body: Buffer | undefined } {
  const text = readOrSay(file, 'request').toString('utf8');
  const parsed = RequestFile.safeParse(jsonOf(text, file));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue?.path.length ? ` at ${issue.path.join('.')}` : '';
    throw new UserError(`${file}: expected {"path", "headers", "body"}: ${issue?.message}${place}`);
  }
  const { path, headers, body } = parsed.data;
  if (body === undefined) return { path, headers, body };
  // As it is written: to read and write it anew would cost digits of its numbers.
  return { path, headers, body: Buffer.from(typeof body === 'string' ? body : (partOf(text, 'body') ?? '')) };
}

function jsonOf(text: string, file: string): unknown {
  try {
    return parseWhole(text);
  } catch (error) {
    throw new UserError(`${file}: not JSON: ${(error as Error).message}`, 1, { cause: error });
  }
}

function readOrSay(file: string, what: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'no such file' : `not readable (${code})`;
    throw new UserError(`the ${what} file ${file}: ${reason}`, 1, { cause: error });
  }
}
