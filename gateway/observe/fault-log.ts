import type { Outcome } from '../flow.ts';
import type { Logger } from './log.ts';

/** Lines a second for each way to fail; what goes beyond is one line with its number when the second is over. */
const LINES = 5;
const SECOND_MS = 1000;

type Way = Pick<Outcome, 'class' | 'status'>;
type Second = { lines: number; suppressed: number; readonly end: NodeJS.Timeout };

/**
 * Logs failed answers without drowning in them: in an outage the first lines say it all. A way to fail is a combination of
 * model, version, server, status and fault, all of which the policy and the protocol bound.
 */
export class FaultLog {
  readonly #log: Logger;
  readonly #seconds = new Map<string, Second>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Logs the outcome at `warn`, or counts it. */
  tell(outcome: Outcome): void {
    const { model, version, server, status, fault, class: whose } = outcome;
    const way = { model, version, server, status, fault, class: whose };
    const key = JSON.stringify(way);
    let second = this.#seconds.get(key);
    if (second === undefined) {
      const end = setTimeout(() => this.#end(key, way), SECOND_MS).unref();
      second = { lines: 0, suppressed: 0, end };
      this.#seconds.set(key, second);
    }
    if (second.lines === LINES) {
      second.suppressed++;
      return;
    }
    second.lines++;
    this.#log.warn(outcome, wordsFor(outcome));
  }

  /** Logs what is still only counted. */
  close(): void {
    for (const [key, { end }] of this.#seconds) {
      clearTimeout(end);
      this.#end(key, JSON.parse(key));
    }
  }

  #end(key: string, way: Way): void {
    const suppressed = this.#seconds.get(key)?.suppressed ?? 0;
    this.#seconds.delete(key);
    if (suppressed > 0) this.#log.warn({ ...way, suppressed }, `${wordsFor(way)}, more often than is logged`);
  }
}

function wordsFor({ class: whose, status }: Way): string {
  if (whose !== 'own_limit' || status !== 508) return 'a model failed to answer';
  return 'a request went in a circle: a server of the policy is a gateway whose policy leads back to one that it had passed';
}
