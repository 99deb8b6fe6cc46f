import type { IncomingMessage } from 'node:http';
import { badRequest, RequestError, tooLarge } from '../errors.ts';
import { JSON_LENGTH_HEADER } from '../protocol/names.ts';
import { ArrivingBody } from './arriving-body.ts';
import type { HeldBody } from './body-memory.ts';

/** Reads a request's body of at most `limit` bytes, as far as the memory for all bodies goes. */
export function receiveBody(request: IncomingMessage, limit: number, held: HeldBody): Promise<Buffer> {
  const stated = Number(request.headers['content-length'] ?? Number.NaN);
  const body = new ArrivingBody(stated, Number(request.headers[JSON_LENGTH_HEADER] ?? 0));
  return new Promise((resolve, reject) => {
    if (stated > limit) {
      throw overLimit(limit);
    }
    held.refuseBeyond(Number.isNaN(stated) ? 0 : stated);
    const stop = () => {
      request.off('data', take).off('end', end).off('error', broken).off('close', left);
      held.arrived();
    };
    const fail = (error: Error) => {
      stop();
      request.on('error', () => undefined);
      reject(error);
    };
    const take = (chunk: Buffer) => {
      if (body.size + chunk.length > limit) {
        fail(overLimit(limit));
      } else if (held.take(chunk.length)) {
        body.add(chunk);
      }
    };
    const end = () => {
      stop();
      resolve(body.whole());
    };
    const broken = (error: Error) => fail(badRequest(`the body did not arrive: ${error.message}`));
    const left = () => fail(new RequestError('client_left', 'the client left before its body had arrived'));
    held.begin(fail);
    request.on('data', take).once('end', end).once('error', broken).once('close', left);
  });
}

function overLimit(limit: number): RequestError {
  return tooLarge(`the body is larger than this server's limit of ${limit} bytes`);
}
