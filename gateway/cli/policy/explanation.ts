import type { Decision } from '../../flow.ts';
import type { Caller } from './callers.ts';
import type { Chance } from './chances.ts';
import type { DescribedRequest } from './request-arguments.ts';

export type Explanation = {
  readonly request: DescribedRequest;
  readonly callers: readonly Caller[];
  /** What was looked at, in order. */
  readonly steps: readonly { readonly what: string; readonly result: string }[];
  readonly decision: Decision;
  /** The answer of the gateway when no server is asked. */
  readonly answer: { readonly status: number; readonly error: string } | undefined;
  /** Every outcome when chance decides, and then the number that was drawn; else empty. */
  readonly chances: readonly Chance[];
  readonly random: number;
};
