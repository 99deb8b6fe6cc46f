import { createHash, timingSafeEqual } from 'node:crypto';
import { UserError } from '../errors.ts';

/** Whether an address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Refuses to listen where others can reach the admin plane unless a token protects it. Throws UserError. */
export function requireToken(host: string, token: string | undefined): void {
  if (token === undefined && !isLoopback(host))
    throw new UserError(
      `the admin listener may leave loopback (${host}) only with a bearer token: set SLUICE_ADMIN_TOKEN or SLUICE_ADMIN_TOKEN_FILE`,
    );
}

/** Whether an Authorization header carries the token. Digests are compared, so neither content nor length shows in the time. */
export function carriesToken(authorization: string | undefined, token: string): boolean {
  const presented = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(presented), digest(token));
}
