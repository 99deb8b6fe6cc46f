import type { Fault, OutcomeClass } from '../../flow.ts';

/** An answer as the judge hears of it: of the first attempt, for no retry may hide a failure. */
export type Heard = {
  /** The request's id. */
  readonly id: string;
  readonly class: OutcomeClass;
  readonly fault: Fault | undefined;
  readonly latencyMs: number;
  /** The number of who asked, in [0, 2^48); undefined when the request did not say. */
  readonly unit: number | undefined;
  /** The class of the server that was asked first. */
  readonly serverClass: 'cpu' | 'gpu';
  /** Whether that server had answered enough for its latency to mean something. */
  readonly isWarm: boolean;
};

/** Whether an outcome says that the version failed; undefined when it says nothing about that. */
export function failsVersion(kind: OutcomeClass): boolean | undefined {
  // What callers do wrong, what the gateway sheds and what servers leave unanswered says nothing of the model.
  return kind === 'ok' ? false : kind === 'model_fault' ? true : undefined;
}

/**
 * Whether the latency of an outcome counts. A timeout and a caller who left enter it at the time that had passed, for the
 * slowest would otherwise be missing; another fault is an error and no fast answer.
 */
export function isTimed({ class: kind, fault, isWarm }: Pick<Heard, 'class' | 'fault' | 'isWarm'>): boolean {
  return isWarm && (kind === 'ok' || kind === 'client_left' || (kind === 'model_fault' && fault === 'deadline'));
}
