import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Call, Facts } from '../../flow.ts';

/** What is taken over from a caller as a request id: it goes into logs and headers. */
const REQUEST_ID = /^[\w.:@=+/-]{1,128}$/;
const NO_BODY = Buffer.alloc(0);

/** What the gateway knows of a request once its body is here. */
export function factsOf(request: FastifyRequest, call: Call, model: string, pathVersion: string | undefined): Facts {
  const { headers } = request;
  const id = headers['x-request-id'];
  const pin = pathVersion ?? headers['x-sluice-version'];
  return {
    id: typeof id === 'string' && REQUEST_ID.test(id) ? id : randomUUID(),
    model,
    call,
    pin: typeof pin === 'string' ? pin : undefined,
    headers,
    rawHeaders: request.raw.rawHeaders,
    body: Buffer.isBuffer(request.body) ? request.body : NO_BODY,
  };
}
