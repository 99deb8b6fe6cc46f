import type { Dispatcher } from 'undici';
import type { Answer, Facts } from '../../flow.ts';
import type { Version } from '../../policy/policy.ts';
import type { Tap } from '../tap.ts';

/** A request that was answered and is to be copied. */
export type Original = {
  readonly facts: Facts;
  /** The version that answered. */
  readonly version: Version;
  readonly answer: Answer;
  readonly unit: string | undefined;
  readonly tier: string | undefined;
  /** Of protocol http: how the server is asked, and what kept the bodies as they passed. */
  readonly streamed?: { readonly method: Dispatcher.HttpMethod; readonly path: string; readonly tap: Tap } | undefined;
};
