// Expect: 100-continue (RFC 9110 section 10.1.1). Node says "100 Continue" before anyone has looked at the request; here
// a caller is asked for the body only once it will be read, so that a refusal costs nobody an upload.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

const WAITING = new WeakMap<IncomingMessage, ServerResponse>();

/** Lets requests with an Expect header through like any other; the framing guard refuses all but 100-continue. */
export function holdContinue(server: Server): void {
  server.on('checkContinue', (request, response) => {
    WAITING.set(request, response);
    server.emit('request', request, response);
  });
  server.on('checkExpectation', (request, response) => void server.emit('request', request, response));
}

/** Asks the caller for the body, if it waits to be asked. Whoever reads a body calls this first. */
export function sendContinue(request: IncomingMessage): void {
  WAITING.get(request)?.writeContinue();
  WAITING.delete(request);
}
