import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Answer, OnLeave } from '../../flow.ts';

/** Sends an answer with what was decided about it. */
export function writeAnswer(
  reply: FastifyReply,
  { status, headers, body }: Answer,
  marks: Readonly<Record<string, string>>,
): FastifyReply {
  return reply.code(status).headers(headers).headers(marks).send(body);
}

/** How a request that was let in tells that its caller has left. */
export function onLeaveOf(request: FastifyRequest, { raw }: FastifyReply): OnLeave {
  return (abandon) => {
    if (raw.destroyed) abandon();
    else request.onLeft = abandon;
  };
}
