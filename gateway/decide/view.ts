import type { Facts } from '../flow.ts';
import { type Inside, lookInside } from './inside.ts';

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

  /** A header's value; undefined when it is not there. */
  header(name: string): string | undefined {
    const value = this.facts.headers[name];
    return typeof value === 'string' ? value : value?.[0];
  }
}

/** Hears of every step of a decision, for `sluice explain`: what was looked at, and what came of it. */
export type Trace = (what: string, result: string) => void;
