// Where the names of servers lead. A name may lead to many servers, as a headless Kubernetes service does, and to others
// tomorrow.
import dns from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isForbiddenAddress } from '../policy/url.ts';

export type Address = { readonly address: string; readonly family: number };

/** More than this behind one name is a mistake in DNS, not a fleet. */
const MOST_ADDRESSES = 256;

/** Whether the host of an origin is a name, and not an address. */
export function isNamed(origin: string): boolean {
  return isIP(hostOf(origin)) === 0;
}

/**
 * The addresses that the host of an origin leads to now, sorted; of one family, IPv4 where there is any, for a server
 * reached by both would count twice. Rejects when there is none, or one that no policy may name.
 */
export async function addressesOf(origin: string): Promise<readonly Address[]> {
  const found = await new Promise<readonly Address[]>((resolve, reject) => {
    dns.lookup(hostOf(origin), { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
  const forbidden = found.find(({ address }) => isForbiddenAddress(address));
  if (forbidden !== undefined) throw new Error(forbiddenText(hostOf(origin), forbidden.address));
  const family = found.some(({ family }) => family === 4) ? 4 : 6;
  const unique = new Map(found.filter((one) => one.family === family).map((one) => [one.address, one]));
  if (unique.size === 0) throw new Error(`${hostOf(origin)} leads to no address`);
  return [...unique.values()].sort((a, b) => (a.address < b.address ? -1 : 1)).slice(0, MOST_ADDRESSES);
}

/** Connects to this address whatever the name. */
export function pinnedLookup({ address, family }: Address): LookupFunction {
  return (_hostname, options, callback) => {
    if (options.all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}

/**
 * Name resolution for connections to servers, refusing addresses that no policy may name: a name that is fine when the
 * policy is checked may lead to a metadata service later (OWASP, Server-Side Request Forgery Prevention).
 */
export const safeLookup: LookupFunction = (hostname, options, callback) => {
  dns.lookup(hostname, options, (error, found, family) => {
    const addresses = Array.isArray(found) ? found.map(({ address }) => address) : [found];
    const forbidden = error ? undefined : addresses.find(isForbiddenAddress);
    if (forbidden === undefined) callback(error, found, family);
    else callback(new Error(forbiddenText(hostname, forbidden)), '');
  });
};

function hostOf(origin: string): string {
  return new URL(origin).hostname.replace(/^\[|\]$/g, '');
}

/** Says that a name or an address is one that nothing may connect to. */
export function forbiddenText(hostname: string, address: string): string {
  return `${hostname} leads to ${address}, which is never a server`;
}
