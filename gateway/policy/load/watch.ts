import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Loaded } from './loader.ts';
import { fileHasEndMark, type Shape, Writing } from './whole.ts';

/** How often the file is looked at. A change that came at once is loaded when it has stood still for one look. */
const LOOK_EVERY_MS = 40;
/** A file that is still changing this long after its first change is reported: until it stops it is not taken. */
const UNSETTLED_MS = 3000;

export type WatchOptions = {
  readonly file: string;
  /** Files that the policy in force was read from too: certificates, which are renewed without an edit of the policy. */
  readonly besides: () => readonly string[];
  /** The file's signature from before it was last loaded: whatever has changed since is news. */
  readonly handled: string;
  readonly load: (file: string) => Promise<Loaded>;
  readonly onGood: (loaded: Loaded) => Promise<void>;
  readonly onBad: (error: unknown) => void;
  /** Hears once that the files keep changing, so that they are not loaded. */
  readonly onUnsettled: () => void;
  /** Hears after `onUnsettled` that they have stopped, and after they were loaded. */
  readonly onSettled: () => void;
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
  let stillSince = performance.now();
  const storm = new Storm(options);
  const writing = new Writing(shapeIn(handled));
  while (await pause(stop)) {
    const now = await signatureOfAll(file, besides());
    if (now !== previous) {
      if (policyIn(now) !== policyIn(previous)) writing.changed(shapeIn(now));
      previous = now;
      stillSince = performance.now();
      storm.changed(stillSince);
      continue;
    }
    if (now === handled) {
      storm.over();
      continue;
    }
    // A piece of a file may be a valid, smaller policy: what is written in place is taken when its writer has stopped.
    if (performance.now() - stillSince < writing.waitMs && !(await fileHasEndMark(file))) continue;
    handled = now;
    writing.handled();
    await load(file).then(onGood).catch(onBad);
    storm.over();
  }
}

/** Changes that follow each other so closely that none of them is loaded. */
class Storm {
  readonly #options: Pick<WatchOptions, 'onUnsettled' | 'onSettled'>;
  #since: number | undefined;
  #isReported = false;

  constructor(options: Pick<WatchOptions, 'onUnsettled' | 'onSettled'>) {
    this.#options = options;
  }

  changed(now: number): void {
    this.#since ??= now;
    if (this.#isReported || now - this.#since < UNSETTLED_MS) return;
    this.#isReported = true;
    this.#options.onUnsettled();
  }

  over(): void {
    if (this.#isReported) this.#options.onSettled();
    this.#since = undefined;
    this.#isReported = false;
  }
}

/** Of a signature of several files that of the first, which is the policy. */
function policyIn(signature: string): string {
  return signature.split(' ', 1)[0] ?? '';
}

function shapeIn(signature: string): Shape {
  const [dev, ino, size] = policyIn(signature).split(':');
  return size === undefined ? undefined : { id: `${dev}:${ino}`, size: Number(size) };
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
