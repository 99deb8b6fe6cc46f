// The bench's model server: answers every POST at once, so that what is measured is the proxy before it.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = JSON.stringify({
  model_name: 'digits',
  model_version: '1',
  outputs: [
    {
      name: 'probabilities',
      shape: [1, 10],
      datatype: 'FP32',
      data: [0.01, 0.01, 0.02, 0.01, 0.01, 0.01, 0.01, 0.9, 0.01, 0.01],
    },
    { name: 'label', shape: [1], datatype: 'INT64', data: [7] },
  ],
});

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length }).end(ANSWER);
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () =>
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
);
process.on('disconnect', () => process.exit(0));
