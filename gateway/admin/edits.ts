// What an edit by the admin listener says.
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { SluiceError } from '../errors.ts';

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
