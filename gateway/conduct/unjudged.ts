// Rollouts that no one can judge: a stored state that cannot be read, or an exception. They are held on their baselines and
// reported, and people can still roll them back.
import { type Read, readDocument } from '../judge/rollout/document.ts';
import type { Rollouts } from './rollouts.ts';
import type { Held } from './watched.ts';

/** Ticks without an exception after which a rollout that had one is judged as any other. */
const GOOD_TICKS = 10;

export class Unjudged {
  readonly #rollouts: Rollouts;
  readonly #onHeld: (held: Held, isOver: boolean) => void;
  readonly #read = new WeakMap<object, Read>();
  /** Ticks in a row without an exception, of rollouts that had one. */
  readonly #goodTicks = new Map<string, number>();
  #reported: ReadonlyMap<string, Held> = new Map();

  constructor(rollouts: Rollouts, onHeld: (held: Held, isOver: boolean) => void) {
    this.#rollouts = rollouts;
    this.#onHeld = onHeld;
  }

  /** The state in a document. The store is read every second; a document that has not changed is not checked again. */
  read(document: object): Read {
    const known = this.#read.get(document);
    if (known !== undefined) return known;
    const read = readDocument(document);
    this.#read.set(document, read);
    return read;
  }

  /** Reports each rollout that no one can judge once, and once more when that is over. */
  report(): void {
    const now = new Map(this.#rollouts.held.map((held) => [held.id, held]));
    for (const [id, held] of now) if (this.#reported.get(id)?.sentence !== held.sentence) this.#onHeld(held, false);
    for (const [id, held] of this.#reported) if (!now.has(id)) this.#onHeld(held, true);
    this.#reported = now;
  }

  /** An exception: its callers are with the baseline from now on. */
  failed(id: string, error: unknown): void {
    this.#goodTicks.delete(id);
    this.#rollouts.noteFailed(id, `it cannot be judged: ${(error as Error).message}`);
  }

  /** A tick without an exception. Only some of them in a row end it, or its callers would come and go. */
  went(id: string): void {
    if (!this.#rollouts.isHeld(id)) return;
    const ticks = (this.#goodTicks.get(id) ?? 0) + 1;
    this.#goodTicks.set(id, ticks < GOOD_TICKS ? ticks : 0);
    if (ticks >= GOOD_TICKS) this.#rollouts.noteFailed(id, undefined);
  }
}

/** Why a rollout is held whose document cannot be read. */
export function heldBy({
  id,
  epoch,
  unreadable,
}: Extract<Read, { unreadable: string }>): Held & { readonly epoch: number } {
  return { id, epoch, sentence: `its stored state cannot be read: ${unreadable}` };
}
