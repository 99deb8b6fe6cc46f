// A worker thread that uploads many large bodies at once and tells how each ended: the test's own loop stays free, and
// all the uploads share one buffer, which `fetch` would copy.
import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { inferBytes } from '../support/raw-caller.ts';
import { statusesOf } from '../support/raw-exchange.ts';

const { url, count, bytes } = workerData as { url: string; count: number; bytes: number };
const body = Buffer.alloc(bytes, 'x');
const outcomes: Record<string, number> = {};

await Promise.all(Array.from({ length: count }, upload));
parentPort?.postMessage(outcomes);

async function upload(): Promise<void> {
  const outcome = await new Promise<string>((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    const end = (error?: NodeJS.ErrnoException) => {
      socket.destroy();
      const [status] = statusesOf(text);
      resolve(status === undefined ? (error?.code ?? 'closed without an answer') : String(status));
    };
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
      if (statusesOf(text).length > 0) end();
    });
    socket.on('error', end).on('end', () => end());
    socket.write(inferBytes('', [], bytes), 'latin1');
    socket.write(body);
  });
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
}
