import type { Facts } from '../flow.ts';
import { type Inside, lookInside, valueAt } from './inside.ts';
import { NumberSent } from './number-sent.ts';
import { writtenAt } from './written-at.ts';

/** A request as the rules see it: the body is read on first use and once. */
export class View {
  readonly facts: Facts;
  #inside: Inside | undefined;
  #looked = false;

  constructor(facts: Facts) {
    this.facts = facts;
  }

  get inside(): Inside | undefined {
    if (!this.#looked) {
      this.#looked = true;
      const length = this.header('inference-header-content-length');
      this.#inside = lookInside(this.facts.body, length);
    }
    return this.#inside;
  }

  /** What the body holds at a dotted path: a number with every digit of it, anything else as `valueAt` has it. */
  sentAt(path: readonly string[]): unknown {
    const value = valueAt(this.inside?.json, path);
    // Of a binary request the JSON comes first, and ends where its object does.
    return typeof value === 'number' ? new NumberSent(value, () => writtenAt(this.facts.body, path)) : value;
  }

  /** A header's value; undefined when it is not there. */
  header(name: string): string | undefined {
    const value = this.facts.headers[name];
    return typeof value === 'string' ? value : value?.[0];
  }
}

/** Hears of every step of a decision, for `sluice explain`: what was looked at, and what came of it. */
export type Trace = (what: string, result: string) => void;
