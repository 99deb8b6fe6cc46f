/** One move of a rollout, or one that a dry run only speaks of. */
export type Transition = {
  readonly kind: 'moved' | 'would_move';
  readonly model: string;
  readonly rollout: string;
  readonly candidate: string;
  readonly baseline: string;
  readonly event: string;
  readonly from: string;
  readonly to: string;
  readonly by: { readonly kind: string };
  /** ISO time. */
  readonly at: string;
  readonly sentence: string;
  readonly isUrgent: boolean;
  /** Ids of requests that show it. */
  readonly examples: readonly string[];
  /** Whether the other gateways can see it. */
  readonly isShared: boolean;
};
