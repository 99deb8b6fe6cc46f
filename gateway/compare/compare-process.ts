// The process that compares: specs and parcels in, batches out, one answer to each parcel.
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { compareBatch } from './batch.ts';
import { unpack } from './parcel.ts';
import type { ToProcess } from './process.ts';
import type { CompareSpec } from './spec.ts';

// Requests that want the same core go first.
setPriority(19);
endFirstWithoutMemory();
// A signal to the whole group (Ctrl+C, systemd) is the gateway's: it drains, and then closes the channel.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.on('disconnect', () => process.exit());

let specs: ReadonlyMap<string, CompareSpec> = new Map();

process.on('message', (message: ToProcess) => {
  if (message.kind === 'specs') specs = message.specs;
  else process.send?.(compareBatch(unpack(message.parcel), specs));
});

/** Where the machine has no memory left, Linux ends this process before the gateway. */
function endFirstWithoutMemory(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Not Linux, or not allowed: then the kernel chooses by size.
  }
}
