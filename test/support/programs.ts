// The programs of other projects that tests run beside ours. `npm test` installs what is missing where it can
// (test/provision.ts); a test says what it needs with `needs`.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Program, as its binary is called -> the Debian package that has it. One line each is all that a new one takes. */
const DEBIAN_PACKAGE = {
  'redis-server': 'redis-server',
  openssl: 'openssl',
  nginx: 'nginx',
  haproxy: 'haproxy',
  chromium: 'chromium',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  'prometheus-alertmanager': 'prometheus-alertmanager',
  amtool: 'prometheus-alertmanager',
  kubectl: 'kubernetes-client',
  unzip: 'unzip',
  'systemd-analyze': 'systemd',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  ip: 'iproute2',
  script: 'bsdutils',
} as const;

export type Program = keyof typeof DEBIAN_PACKAGE;

/** Every program of the table. */
export const PROGRAMS = Object.keys(DEBIAN_PACKAGE) as Program[];

/**
 * What `test` takes as its options, between name and function, when it runs these programs. Where one is missing the
 * test is skipped and says how to get it; with CI=true this throws instead, for CI skips nothing. Name them as literals:
 * provisioning reads them from the text.
 */
export function needs(...programs: readonly Program[]): { skip: string | false } {
  const missing = programs.filter((program) => pathOf(program) === undefined);
  if (missing.length === 0) return { skip: false };
  const reason = `${missing.join(' and ')} missing; on Debian: apt-get install ${packagesOf(missing).join(' ')}`;
  if (process.env.CI === 'true') throw new Error(reason);
  return { skip: reason };
}

/** Where a program is installed, if it is. */
export function pathOf(program: Program): string | undefined {
  // Servers live in sbin, which is not on the PATH of everyone who may run them.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

/** The Debian packages of some programs. */
export function packagesOf(programs: readonly Program[]): string[] {
  return [...new Set(programs.map((program) => DEBIAN_PACKAGE[program]))];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
