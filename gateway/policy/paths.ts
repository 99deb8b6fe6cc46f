import type { Version } from './policy.ts';

/** A server's path for a call; undefined for a call that the version's protocol does not have. */
export function pathOf({ protocol, upstream }: Version, call: keyof typeof PATHS): string | undefined {
  if (protocol === 'http' || (protocol === 'v1' && (call === 'infer' || call === 'metadata'))) return undefined;
  return protocol === 'v1' && call === 'ready' ? `/v1/${upstream}` : PATHS[call](upstream);
}

/** Open Inference Protocol v2 and, for `predict`, v1. */
const PATHS = {
  infer: (upstream: string) => `/v2/${upstream}/infer`,
  predict: (upstream: string) => `/v1/${upstream}:predict`,
  metadata: (upstream: string) => `/v2/${upstream}`,
  ready: (upstream: string) => `/v2/${upstream}/ready`,
};
