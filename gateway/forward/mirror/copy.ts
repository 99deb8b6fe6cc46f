// Copies of requests, for servers whose answers no caller waits for.
import type { Facts } from '../../flow.ts';

/** Tells a server that nobody waits for the answer, and what the copy is for: the name of a shadow, or `warm-up`. */
export const SHADOW_HEADER = 'x-sluice-shadow';
/** Of the caller's headers these are always copied: the body cannot be read without them, and `via` ends a circle of gateways. */
const ALWAYS_COPIED: ReadonlySet<string> = new Set([
  'content-type',
  'content-encoding',
  'inference-header-content-length',
  'accept',
  'via',
]);

const NO_HEADERS: Facts['headers'] = {};

/** The request as it is copied: the body itself, and of the headers what belongs to it and those that are `named`. */
export function copyOf({ id, model, call, pin, rawHeaders, body }: Facts, named: readonly string[] = []): Facts {
  const copied: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (ALWAYS_COPIED.has(name) || named.includes(name)) copied.push(name, rawHeaders[i + 1] as string);
  }
  return { id, model, call, pin, headers: NO_HEADERS, rawHeaders: copied, body };
}
