// A certificate authority of a test's own, and certificates of it.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Certificate = { readonly cert: string; readonly key: string };

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes an authority in a folder; returns its file, and what issues certificates for names such as `DNS:localhost`. */
export function authority(folder: string): { readonly ca: string; readonly issue: (names: string) => Certificate } {
  const [ca, caKey] = [join(folder, 'ca.pem'), join(folder, 'ca.key')];
  openssl('req', '-x509', ...KEY, '-subj', '/CN=test', '-days', '2', '-keyout', caKey, '-out', ca);
  let made = 0;
  return {
    ca,
    issue: (names) => {
      const base = join(folder, `server-${made++}`);
      const [cert, key, request, extensions] = [`${base}.pem`, `${base}.key`, `${base}.csr`, `${base}.ext`];
      openssl('req', ...KEY, '-subj', '/CN=redis', '-keyout', key, '-out', request);
      writeFileSync(extensions, `subjectAltName=${names}\n`);
      const signed = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', '2', '-extfile', extensions];
      openssl('x509', '-req', '-in', request, ...signed, '-out', cert);
      return { cert, key };
    },
  };
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}
