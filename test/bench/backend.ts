// The bench's model servers, one that answers and one that is sent mirrored requests: two ports of one process. Each
// answers at once, so that what is measured is the proxy before it, and counts what it was asked.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { MessageReader } from './message-reader.ts';

/** Whole inference requests since the last look: all of them, those that named version 2, and those at the mirror's port. */
export type Seen = { readonly all: number; readonly candidate: number; readonly mirrored: number };

export type BackendUrls = { readonly url: string; readonly mirrorUrl: string };

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

/** What gateways that look before they send want to know of a version: that it is ready, and what it takes and gives. */
const METADATA = JSON.stringify({
  name: 'digits',
  versions: ['1', '2', '3'],
  platform: 'bench',
  inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 784] }],
  outputs: [
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 10] },
    { name: 'label', datatype: 'INT64', shape: [-1] },
  ],
});

const [INFERRED, DESCRIBED] = [responseOf(ANSWER), responseOf(METADATA)];

let seen = { all: 0, candidate: 0, mirrored: 0 };

const server = serving((head) => {
  // Every hundredth copy of Sluice's asks the version that answered once more: it is no caller's request.
  if (head.includes('x-sluice-shadow:')) return;
  seen.all++;
  if (head.includes('/versions/2/')) seen.candidate++;
});
const mirror = serving(() => {
  seen.mirrored++;
});
await Promise.all([once(server, 'listening'), once(mirror, 'listening')]);
process.send?.({ url: urlOf(server), mirrorUrl: urlOf(mirror) } satisfies BackendUrls);
process.on('message', (wish) => {
  process.send?.(seen satisfies Seen);
  if (wish === 'forget') seen = { all: 0, candidate: 0, mirrored: 0 };
});
process.on('disconnect', () => process.exit(0));

function serving(note: (head: string) => void): Server {
  return createServer({ noDelay: true }, (socket) => {
    const reader = new MessageReader((head) => {
      const isInference = head.startsWith('POST');
      if (isInference) note(head);
      socket.write(isInference ? INFERRED : DESCRIBED);
    });
    socket.on('data', (chunk) => reader.read(chunk)).on('error', () => {}); // callers leave as they like
  }).listen(0, '127.0.0.1');
}

/** A response with the headers that node's own server sends. */
function responseOf(json: string): Buffer {
  const head = [
    'HTTP/1.1 200 OK',
    'content-type: application/json',
    `content-length: ${json.length}`,
    `Date: ${new Date().toUTCString()}`,
    'Connection: keep-alive',
    'Keep-Alive: timeout=72',
  ];
  return Buffer.from([...head, '', json].join('\r\n'));
}

function urlOf(listening: Server): string {
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}
