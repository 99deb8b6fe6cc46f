// What every edit by the admin listener must pass: the token, JSON, and that no web page of another origin sent it.
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { SluiceError } from '../errors.ts';
import { carriesToken, isLoopback } from './auth.ts';

/** Throws SluiceError for a request that may not edit. A body of another type than JSON is refused before. */
export function requireEditor({ headers }: FastifyRequest, token: string | undefined): void {
  if (token !== undefined && !carriesToken(headers.authorization, token)) throw new SluiceError('UNAUTHORIZED');
  const host = headers.host ?? '';
  const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '') : '';
  // Without a token only this machine may edit: a name that a web page made lead here is not this machine.
  if (token === undefined && !isLoopback(name)) throw new SluiceError('FORBIDDEN', 'the Host header is not loopback');
  const { origin } = headers;
  if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host))
    throw new SluiceError('FORBIDDEN', 'another origin');
}

/** The same for a request with a body, which must say that it is JSON: a web page can send anything else unasked. */
export function requireJson(request: FastifyRequest, token: string | undefined): void {
  requireEditor(request, token);
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) throw new SluiceError('MEDIA_TYPE');
}

/** The body as the schema has it. Throws SluiceError with the first mistake. */
export function bodyOf<T>(schema: z.ZodType<T>, { body }: FastifyRequest): T {
  const { success, data, error } = schema.safeParse(parsed(body));
  if (success) return data;
  const [issue] = error.issues;
  throw new SluiceError('BAD_REQUEST', `${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}

function parsed(body: unknown): unknown {
  try {
    return JSON.parse(String(body));
  } catch {
    throw new SluiceError('BAD_REQUEST', 'the body is no JSON');
  }
}
