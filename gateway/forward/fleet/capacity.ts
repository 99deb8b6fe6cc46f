import type { ServerSpec } from '../../policy/servers.ts';
import { isNamed } from './resolve.ts';

/** A version at its servers, as far as capacity goes. */
type Seated = {
  readonly seats: readonly {
    readonly server: { readonly spec: Pick<ServerSpec, 'origin' | 'weight'> };
    readonly isWell: (now: number) => boolean;
  }[];
};

/**
 * The largest part of the traffic, 0 to 1, that the servers of a candidate are enough for, measured by those of the baseline:
 * by the weight of the servers that are well and have the version ready. Where the candidate's servers are a fixed list and
 * all of them are well, there is nothing to wait for: 1.
 */
export function capacityOf(candidate: Seated, baseline: Seated, now: number): number {
  const { seats } = candidate;
  const isFixed = seats.length > 0 && seats.every(({ server }) => !isNamed(server.spec.origin));
  if (isFixed && seats.every((seat) => seat.isWell(now))) return 1;
  const [ready, needed] = [weightOf(candidate, now), weightOf(baseline, now)];
  if (needed === 0) return ready > 0 ? 1 : 0;
  return Math.min(1, ready / needed);
}

function weightOf({ seats }: Seated, now: number): number {
  return seats.reduce((sum, seat) => sum + (seat.isWell(now) ? seat.server.spec.weight : 0), 0);
}
