import { createGunzip, createInflate, type Gunzip, type Inflate, type ZlibOptions } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { badRequest, messageOf, RequestError, tooLarge } from '../errors.ts';
import { JSON_LENGTH_HEADER } from '../protocol/names.ts';
import { ArrivingBody } from './arriving-body.ts';
import type { HeldBody } from './body-memory.ts';

const UNPACKERS: Readonly<Record<string, (options: ZlibOptions) => Gunzip | Inflate>> = {
  gzip: createGunzip,
  deflate: createInflate,
};
const PIECE_BYTES = 64 * 1024;

/**
 * The body of a request as it was before it was compressed: off the event loop, never more than `limit` bytes, and never
 * more than the memory for all bodies has room for, whatever the compressed ones weigh.
 */
export async function unpackBody(request: FastifyRequest, reply: FastifyReply, limit: number): Promise<unknown> {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') {
    return request.body;
  }
  const unpacker = Object.hasOwn(UNPACKERS, encoding) ? UNPACKERS[encoding] : undefined;
  if (unpacker === undefined) {
    const known = Object.keys(UNPACKERS).join(', ');
    reply.header('accept-encoding', known);
    throw new RequestError('unsupported_encoding', `content-encoding can be ${known}; send other bodies as they are`);
  }
  const { held } = request;
  const packed = request.body as Buffer | undefined;
  const jsonBytes = Number(request.headers[JSON_LENGTH_HEADER] ?? 0);
  try {
    return await unpack(unpacker({ chunkSize: PIECE_BYTES }), packed, { limit, jsonBytes, held });
  } catch (error) {
    throw error instanceof RequestError ? error : badRequest(`the body is not valid ${encoding}: ${messageOf(error)}`);
  } finally {
    request.body = undefined;
    held.count(-(packed?.length ?? 0));
  }
}

type Bounds = { readonly limit: number; readonly jsonBytes: number; readonly held: HeldBody };

function unpack(
  unpacker: Gunzip | Inflate,
  packed: Buffer | undefined,
  { limit, jsonBytes, held }: Bounds,
): Promise<Buffer> {
  const body = new ArrivingBody(limit, jsonBytes);
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      held.arrived();
      unpacker.destroy();
      reject(error);
    };
    held.begin(fail);
    unpacker.on('data', (chunk: Buffer) => {
      if (body.size + chunk.length > limit) {
        fail(tooLarge(`the body unpacks to more than this server's limit of ${limit} bytes`));
      } else if (held.take(chunk.length)) {
        body.add(chunk);
      }
    });
    unpacker.once('error', fail);
    unpacker.once('end', () => {
      held.arrived();
      resolve(body.whole());
    });
    unpacker.end(packed);
  });
}
