import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isForbiddenAddress } from '../policy/url.ts';

/**
 * Name resolution for connections to servers, refusing addresses that no policy may name: a name that is fine when the
 * policy is checked may lead to a metadata service later (OWASP, Server-Side Request Forgery Prevention).
 */
export const safeLookup: LookupFunction = (hostname, options, callback) => {
  dns.lookup(hostname, options, (error, found, family) => {
    const addresses = Array.isArray(found) ? found.map(({ address }) => address) : [found];
    const forbidden = error ? undefined : addresses.find(isForbiddenAddress);
    if (forbidden === undefined) callback(error, found, family);
    else callback(new Error(`${hostname} leads to ${forbidden}, which is never a server`), '');
  });
};
