// Where the names of servers lead. A name may lead to many servers, as a headless Kubernetes service does, and to others
// tomorrow.
import dns from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isForbiddenAddress } from '../../policy/url.ts';

export type Address = { readonly address: string; readonly family: number };

/** More than this behind one name is a mistake in DNS, not a fleet. */
const MOST_ADDRESSES = 256;
/** Addresses of a family that are tried before it is given up. */
const MOST_ASKED = 16;

/** Whether the host of an origin is a name, and not an address. */
export function isNamed(origin: string): boolean {
  return isIP(hostOf(origin)) === 0;
}

/** Where one server is reached: an address, or one of each family where the server may listen on either. */
export type Place = readonly [Address, ...Address[]];

/** Whether something at an address takes connections. */
export type Reaches = (address: Address) => Promise<boolean>;

/**
 * The places that the host of an origin leads to now, sorted. A name with one address of each family is one server, reached
 * by whichever answers. With several of each it is not known which belong together, and a server that is reached by both
 * would count twice: so one family is taken, IPv4 unless only IPv6 takes connections. Rejects when there is none, or one that no policy
 * may name.
 */
export async function placesOf(origin: string, reaches: Reaches): Promise<readonly Place[]> {
  const found = await new Promise<readonly Address[]>((resolve, reject) => {
    dns.lookup(hostOf(origin), { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
  const forbidden = found.find(({ address }) => isForbiddenAddress(address));
  if (forbidden !== undefined) throw new Error(forbiddenText(hostOf(origin), forbidden.address));
  const [four, six] = [ofFamily(4, found), ofFamily(6, found)];
  if (four.length + six.length === 0) throw new Error(`${hostOf(origin)} leads to no address`);
  if (four.length === 1 && six.length === 1) return [[...four, ...six] as unknown as Place];
  return (await isSixAlone(four, six, reaches)) ? six.map(alone) : four.map(alone);
}

/** Whether the addresses to take are those of IPv6. */
async function isSixAlone(four: readonly Address[], six: readonly Address[], reaches: Reaches): Promise<boolean> {
  if (four.length === 0 || six.length === 0) return four.length === 0;
  const isReached = async (addresses: readonly Address[]) =>
    (await Promise.all(addresses.slice(0, MOST_ASKED).map(reaches))).includes(true);
  const [isFour, isSix] = await Promise.all([isReached(four), isReached(six)]);
  return isSix && !isFour;
}

function ofFamily(family: number, found: readonly Address[]): readonly Address[] {
  const unique = new Map(found.filter((one) => one.family === family).map((one) => [one.address, one]));
  return [...unique.values()].sort((a, b) => (a.address < b.address ? -1 : 1)).slice(0, MOST_ADDRESSES);
}

function alone(address: Address): Place {
  return [address];
}

/** Both addresses of a place in one text. */
export function placeText(place: readonly Address[]): string {
  return place.map(({ address }) => address).join(' or ');
}

/** Leads to these addresses whatever the name, the first of them first. */
export function pinnedLookup(addresses: () => Place): LookupFunction {
  return (_hostname, options, callback) => {
    const place = addresses();
    if (options.all) callback(null, [...place]);
    else callback(null, place[0].address, place[0].family);
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
