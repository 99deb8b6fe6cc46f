import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { badRequest, messageOf, RequestError, tooLarge } from './errors.ts';

type Unpack = (body: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

const UNPACKERS: Readonly<Record<string, Unpack>> = {
  gzip: promisify(gunzip) as Unpack,
  deflate: promisify(inflate) as Unpack,
};

/** Answers the body of a request as it was before it was compressed, off the event loop and never more than `limit` bytes. */
export async function unpackBody(request: FastifyRequest, reply: FastifyReply, limit: number): Promise<unknown> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') {
    return request.body;
  }
  const unpack = Object.hasOwn(UNPACKERS, encoding) ? UNPACKERS[encoding] : undefined;
  if (unpack === undefined) {
    const known = Object.keys(UNPACKERS).join(', ');
    reply.header('accept-encoding', known);
    throw new RequestError('unsupported_encoding', `content-encoding can be ${known}; send other bodies as they are`);
  }
  try {
    return await unpack(request.body as Buffer, { maxOutputLength: limit });
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
      ? tooLarge(`the body unpacks to more than this server's limit of ${limit} bytes`)
      : badRequest(`the body is not valid ${encoding}: ${messageOf(error)}`);
  }
}
