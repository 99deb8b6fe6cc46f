import type { Policy, TieredModel } from '../../policy/policy.ts';
import type { Trial } from '../../tune/trial.ts';
import type { AdminClient } from '../ask/admin-client.ts';

export type Asking = {
  readonly url: string;
  /** Undefined when the costs are not to be measured. */
  readonly admin: AdminClient | undefined;
  readonly policy: Policy;
  readonly ladder: TieredModel;
  /** The output that holds the answer; undefined for the place of the highest probability. */
  readonly answer: string | undefined;
  readonly concurrency: number;
  readonly onDone: (done: number) => void;
};

export type Asked = {
  readonly trials: readonly Trial[];
  readonly costs: 'measured' | 'policy' | 'none';
  /** Answers that did not come, by tier, with what one of them said. */
  readonly failed: ReadonlyMap<string, { readonly count: number; readonly reason: string }>;
};
