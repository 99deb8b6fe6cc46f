import type { Facts, Missed } from '../flow.ts';
import { type Inside, lookInside, valueAt } from './inside.ts';
import { NumberSent } from './number-sent.ts';
import { plainOf, type Unread } from './plain.ts';
import { writtenAt } from './written-at.ts';

const NO_BYTES = Buffer.alloc(0);
/** Bytes of a value that may be a unit. */
const MOST_WRITTEN = 4096;
/** Bytes in which a unit is looked for where the body is too large or too deep to be parsed: it takes as long as parsing 1 MiB. */
const MOST_SEARCHED = 4 * 1024 * 1024;

/** A request as the rules see it: the body is read on first use and once. */
export class View {
  readonly facts: Facts;
  #inside: Inside | undefined;
  /** As it was before it was compressed. */
  #plain: Buffer | undefined;
  #unread: Unread | undefined;
  #looked = false;
  #missed: Missed | undefined;

  constructor(facts: Facts) {
    this.facts = facts;
  }

  /** What the policy wanted to know and could not read, as far as it has been asked for; undefined when it read all. */
  get missed(): Missed | undefined {
    return this.#missed;
  }

  /** What rules see; undefined when the body cannot be read, which is noted. */
  get inside(): Inside | undefined {
    this.#look();
    if (this.#unread !== undefined) this.#missed = { ...this.#missed, rules: this.#unread };
    return this.#inside;
  }

  /** What the body holds at a dotted path: a number with every digit of it, anything else as `valueAt` has it. */
  sentAt(path: readonly string[]): unknown {
    return this.#sentIn(this.inside, path);
  }

  /** The same for whoever sorts by it, also in a body that rules cannot read for its size or depth. */
  unitAt(path: readonly string[]): unknown {
    this.#look();
    const isWhole = this.#unread === 'too_large' || this.#unread === 'too_deep';
    return isWhole ? this.#foundAt(path) : this.#sentIn(this.#inside, path);
  }

  /** Notes that this request has no unit: because its body could not be read, or because it was not sent. */
  missUnit(isInBody: boolean): void {
    this.#missed = { ...this.#missed, unit: (isInBody ? this.#unread : undefined) ?? 'absent' };
  }

  #look(): void {
    if (this.#looked) return;
    this.#looked = true;
    const plain = plainOf(this.facts.body, this.header('content-encoding'));
    const seen = typeof plain === 'string' ? plain : lookInside(plain, this.header('inference-header-content-length'));
    if (typeof plain !== 'string') this.#plain = plain;
    if (typeof seen === 'string') this.#unread = seen;
    else this.#inside = seen;
  }

  #sentIn(inside: Inside | undefined, path: readonly string[]): unknown {
    const value = valueAt(inside?.json, path);
    // Of a binary request the JSON comes first, and ends where its object does.
    return typeof value === 'number' ? new NumberSent(value, () => writtenAt(this.#plain ?? NO_BYTES, path)) : value;
  }

  /** The text or number at a path, found without parsing the rest of the body. */
  #foundAt(path: readonly string[]): unknown {
    if (this.#plain === undefined || this.#plain.length > MOST_SEARCHED) return undefined;
    try {
      const written = writtenAt(this.#plain, path) ?? '';
      const value: unknown = written.length <= MOST_WRITTEN ? JSON.parse(written) : undefined;
      return typeof value === 'number' ? new NumberSent(value, () => written) : value;
    } catch {
      return undefined; // the bytes are no JSON there
    }
  }

  /** A header's value; undefined when it is not there. */
  header(name: string): string | undefined {
    const value = this.facts.headers[name];
    return typeof value === 'string' ? value : value?.[0];
  }
}

/** Hears of every step of a decision, for `sluice explain`: what was looked at, and what came of it. */
export type Trace = (what: string, result: string) => void;
