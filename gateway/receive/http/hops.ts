// A gateway that is, over however many others, a server of its own would ask itself for ever. Every request carries the names
// of the gateways that it has passed, in `Via` (RFC 9110 section 7.6.3); one that comes back is refused.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const NAME = /\bsluice-[0-9a-f]{12}\b/g;
/** Gateways in a row: an edge, a region and a team each have one. More are replicas that ask each other. */
const MOST_GATEWAYS = 8;

/** A name for this gateway that no other one has, and that says nothing of where it is. */
export function gatewayName(): string {
  return `sluice-${randomBytes(6).toString('hex')}`;
}

/**
 * Adds this gateway to what the request says of its way, for the server. False for a request that must not go on: it has
 * passed this gateway before, or too many others.
 */
export function noteHop({ headers, rawHeaders, httpVersion }: IncomingMessage, gateway: string): boolean {
  const passed: readonly string[] = headers.via?.match(NAME) ?? [];
  if (passed.includes(gateway) || passed.length >= MOST_GATEWAYS) return false;
  // A line of its own is the next member of the list (RFC 9110 section 5.3).
  rawHeaders.push('via', `${httpVersion} ${gateway}`);
  return true;
}
