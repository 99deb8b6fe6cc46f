// The thread that loads policies: a file name in, then piece by piece, as asked for, what came of it. It remembers the
// last good policy, and refuses a policy that asks for what is not built: a part ignored in silence is worse than none.
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import type { Policy } from '../policy.ts';
import { PolicyError, parseServable, readPolicyText } from './load.ts';
import type { LoadReport, Request } from './loader.ts';
import { type Piece, pack } from './parcel.ts';

// On Linux a priority is the thread's that asks for it: requests that want the same core go first.
setPriority(19);

let current: Policy | undefined;
let pieces: Iterator<Piece, void> | undefined;

parentPort?.on('message', (request: Request) => {
  parentPort?.postMessage(request.kind === 'load' ? start(request.file) : next());
});

function start(file: string): LoadReport {
  try {
    const text = readPolicyText(file);
    const policy = parseServable(text, file, current);
    current = policy;
    pieces = pack(policy);
    return { kind: 'good', text };
  } catch (error) {
    if (error instanceof PolicyError) return { kind: 'mistakes', mistakes: error.message };
    return { kind: 'bug', bug: `could not be checked: ${(error as Error).message}` };
  }
}

function next(): LoadReport {
  const piece = pieces?.next().value;
  return piece === undefined ? { kind: 'bug', bug: 'ended too early' } : { kind: 'piece', piece };
}
