import { type Health, standing } from './health.ts';

/** What choosing a server needs to know of it. */
export type Load = { readonly inFlight: number; readonly maxInFlight: number; readonly health: Health };

/**
 * The server for one request: the less loaded of two drawn at random (Mitzenmacher, "The power of two choices in
 * randomized load balancing", 2001) among the healthy ones; a server due for a probe first gets a single request.
 * When none is healthy, all are tried: ejection must never empty the fleet. Undefined when every one is at its cap.
 */
export function choose<S extends Load>(servers: readonly S[], now: number, random: () => number): S | undefined {
  const open = servers.filter((server) => server.inFlight < server.maxInFlight);
  const probe = open.find((server) => server.inFlight === 0 && standing(server.health, now) === 'probing');
  if (probe !== undefined) return probe;
  const isHealthy = ({ health }: Load) => standing(health, now) === 'healthy';
  // Whether any is healthy is asked of all: a healthy server at its cap must not send its overflow to a broken one.
  return lessLoaded(servers.some(isHealthy) ? open.filter(isHealthy) : open, random);
}

function lessLoaded<S extends Load>(servers: readonly S[], random: () => number): S | undefined {
  if (servers.length < 2) return servers[0];
  const first = Math.floor(random() * servers.length);
  const other = (first + 1 + Math.floor(random() * (servers.length - 1))) % servers.length;
  const [a, b] = [servers[first], servers[other]];
  return a !== undefined && b !== undefined && b.inFlight < a.inFlight ? b : a;
}
