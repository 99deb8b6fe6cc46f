import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Loaded } from './loader.ts';

/** How often the file is looked at. A change is loaded when it has stood still for one look, so within about 100 ms. */
const LOOK_EVERY_MS = 40;

export type WatchOptions = {
  readonly file: string;
  /** Files that the policy in force was read from too: certificates, which are renewed without an edit of the policy. */
  readonly besides: () => readonly string[];
  /** The file's signature from before it was last loaded: whatever has changed since is news. */
  readonly handled: string;
  readonly load: (file: string) => Promise<Loaded>;
  readonly onGood: (loaded: Loaded) => Promise<void>;
  readonly onBad: (error: unknown) => void;
};

/**
 * Watches a policy file by looking at it: unlike notifications that works for symlinks that are swapped (Kubernetes
 * ConfigMaps), network disks and editors that replace the file. Returns how to stop.
 */
export function watchPolicy(options: WatchOptions): () => void {
  const stop = new AbortController();
  void look(options, stop.signal);
  return () => stop.abort();
}

async function look(options: WatchOptions, stop: AbortSignal): Promise<void> {
  const { file, besides, load, onGood, onBad } = options;
  let { handled } = options;
  let previous = handled;
  while (await pause(stop)) {
    const now = await signatureOfAll(file, besides());
    const isStill = now === previous;
    previous = now;
    // A file that is being written looks different at the next look; half of one may well be a valid, smaller policy.
    if (!isStill || now === handled) continue;
    handled = now;
    await load(file).then(onGood).catch(onBad);
  }
}

/** What changes when one of the files does. */
export async function signatureOfAll(file: string, besides: readonly string[]): Promise<string> {
  return (await Promise.all([file, ...besides].map(signatureOf))).join(' ');
}

/** What changes when the file does; the same text for as long as it is missing. */
export async function signatureOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code}`;
  }
}

/** Whether the file still has this signature one look later. */
export async function isStill(file: string, signature: string): Promise<boolean> {
  await sleep(LOOK_EVERY_MS);
  return (await signatureOf(file)) === signature;
}

function pause(stop: AbortSignal): Promise<boolean> {
  return sleep(LOOK_EVERY_MS, true, { signal: stop, ref: false }).catch(() => false);
}
