import type { Outcome } from '../flow.ts';

/** What an outcome says about the version that was asked. */
export type Counted = {
  /** Whether it failed; undefined when the outcome says nothing about that. */
  readonly isError: boolean | undefined;
  /** How long it took, or at least took; undefined when the outcome says nothing about that. */
  readonly latencyMs: number | undefined;
  /** Whether the end was not seen: it took at least that long, and no one knows how long. */
  readonly isCensored: boolean;
};

const SILENT: Counted = { isError: undefined, latencyMs: undefined, isCensored: false };

/**
 * The counting rules. Only a first attempt is judged, so that no retry hides a failure. Only the model's own faults are
 * errors; what callers do wrong and what the gateway sheds says nothing. A timeout and a caller who left enter the latency
 * at the time that had passed, for the slowest would otherwise be missing; another fault is an error and no fast answer.
 */
export function countOutcome({ class: kind, fault, latencyMs }: Judged, attempt: number): Counted {
  if (attempt > 1) return SILENT;
  switch (kind) {
    case 'ok':
      return { isError: false, latencyMs, isCensored: false };
    case 'model_fault':
    case 'server_fault':
      return fault === 'deadline'
        ? { isError: true, latencyMs, isCensored: true }
        : { isError: true, latencyMs: undefined, isCensored: false };
    case 'client_left':
      return { isError: undefined, latencyMs, isCensored: true };
    case 'client_fault':
    case 'shed':
      return SILENT;
    default:
      return kind satisfies never;
  }
}

type Judged = Pick<Outcome, 'class' | 'fault' | 'latencyMs'>;
