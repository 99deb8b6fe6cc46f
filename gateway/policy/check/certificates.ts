// The certificate files that a policy names, read where policies are loaded: a file that is missing or no PEM is a mistake
// in the policy, told with its line, and not a surprise at the first connection.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Mistake } from '../mistakes.ts';
import type { Policy } from '../policy.ts';
import type { ServerSpec, TlsSpec } from '../servers.ts';

/** The policy with the texts of its certificate files in place of their names, and what is wrong with them. */
export function readCertificates(policy: Policy): { readonly policy: Policy; readonly mistakes: readonly Mistake[] } {
  const mistakes: Mistake[] = [];
  const fleet = new Map(
    [...policy.fleet].map(([name, spec]): [string, ServerSpec] => {
      if (spec.tls === undefined) return [name, spec];
      const path = ['fleet', name, 'tls'];
      const tls = readOne(path, spec.tls, mistakes);
      return [name, { ...spec, tls }];
    }),
  );
  const files = [...policy.fleet.values()].flatMap(({ tls }) => [tls?.ca, tls?.cert, tls?.key]);
  const texts = JSON.stringify([...fleet.values()].map(({ tls }) => tls));
  const certificates = {
    files: files.filter((file) => file !== undefined),
    sha256: createHash('sha256').update(texts).digest('hex'),
  };
  return { policy: { ...policy, fleet, certificates }, mistakes };
}

function readOne(path: readonly string[], tls: TlsSpec, mistakes: Mistake[]): TlsSpec {
  const before = mistakes.length;
  const read = (key: 'ca' | 'cert' | 'key'): string | undefined => {
    const file = tls[key];
    if (file === undefined) return undefined;
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : 'not readable';
      mistakes.push({ path: [...path, key], message: `${file}: ${reason}` });
      return undefined;
    }
  };
  const texts = { ca: read('ca'), cert: read('cert'), key: read('key') };
  if (mistakes.length === before) {
    const reason = whyUnusable(texts);
    if (reason !== undefined) mistakes.push({ path, message: `these files cannot be used: ${reason}` });
  }
  return { ...texts, serverName: tls.serverName };
}

function whyUnusable({ ca, cert, key }: Record<'ca' | 'cert' | 'key', string | undefined>): string | undefined {
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----')) return 'ca holds no PEM certificate';
  try {
    createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
