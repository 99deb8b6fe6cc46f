// The floor of our own stack: fastify takes the body, undici sends it on, fastify sends the answer back. No deadline, no
// header rules, no decision, no metrics; errors are not handled.
import Fastify from 'fastify';
import { Pool } from 'undici';

const pool = new Pool(process.argv[2] ?? '', { connections: 128, headersTimeout: 0, bodyTimeout: 0 });
const app = Fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/v2/models/:model/infer', (request, reply) => {
  const chunks: Buffer[] = [];
  pool.dispatch(
    { path: request.url, method: 'POST', headers: ['content-type', 'application/json'], body: request.body as Buffer },
    {
      onRequestStart() {},
      onResponseStart(_controller, status, headers) {
        reply.code(status).header('content-type', headers['content-type']);
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        reply.send(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
      },
      onResponseError(_controller, error) {
        throw error;
      },
    },
  );
});
process.send?.({ url: await app.listen({ host: '127.0.0.1', port: 0 }) });
process.on('disconnect', () => process.exit(0));
