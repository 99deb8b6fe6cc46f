// What a caller may not say of itself: through which proxies it came, and what Sluice decided.
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { UserError } from '../../errors.ts';

/** What a caller may ask for; every other header of the prefix is ours. */
const REQUESTS: ReadonlySet<string> = new Set(['x-sluice-version', 'x-sluice-priority', 'x-sluice-min-confidence']);

/** The proxies in front of the gateway, whose word on where a caller came from is passed on. */
export type TrustedProxies = { readonly has: (address: string | undefined) => boolean };

/** Reads addresses and networks such as `10.0.0.0/8, ::1`, separated by commas. Throws UserError for any other text. */
export function readTrustedProxies(text: string, source: string): TrustedProxies {
  const list = new BlockList();
  const entries = text.split(',').map((entry) => entry.trim());
  for (const entry of entries) if (entry !== '') addEntry(list, entry, source);
  return {
    has: (address = '') => {
      const family = isIP(address);
      return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
    },
  };
}

/** Removes from a request what its sender may not claim, before any rule or server reads it. */
export function dropClaims(request: IncomingMessage, trusted: TrustedProxies): void {
  const { rawHeaders } = request;
  let isTrusted: boolean | undefined;
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (isOurs(name)) remove(request, name, i);
    else if (isProxys(name)) {
      isTrusted ??= trusted.has(request.socket.remoteAddress);
      if (!isTrusted) remove(request, name, i);
    }
  }
}

function remove({ rawHeaders, headers }: IncomingMessage, name: string, at: number): void {
  rawHeaders.splice(at, 2);
  delete headers[name];
}

function isOurs(name: string): boolean {
  return name.startsWith('x-sluice-') && !REQUESTS.has(name);
}

/** RFC 7239, and the names in use before it. */
function isProxys(name: string): boolean {
  return name === 'forwarded' || name === 'x-real-ip' || name.startsWith('x-forwarded-');
}

function addEntry(list: BlockList, entry: string, source: string): void {
  const [, address = '', prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  try {
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  } catch (error) {
    const expected = 'expected addresses or networks such as 10.0.0.0/8, separated by commas';
    throw new UserError(`${source}: ${expected}; "${entry}" is neither`, 2, { cause: error });
  }
}
