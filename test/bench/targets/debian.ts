import { execFileSync } from 'node:child_process';
import { LeftOut } from './target.ts';

/** Makes sure that a command of the Debian package of the same name is there: installs it as root, leaves it out else. */
export function debian(name: string): void {
  if (isThere(name)) return;
  if (process.getuid?.() !== 0)
    throw new LeftOut(`not installed, and only root can install it (apt-get install ${name})`);
  try {
    // RUNLEVEL keeps the package from starting a service of its own (runlevel(8)).
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', name], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
      timeout: 60_000,
    });
  } catch (error) {
    throw new LeftOut(`not installed, and apt-get could not: ${String(error).split('\n')[0]}`);
  }
}

/** The version of an installed command, as it tells it; undefined without one. */
export function versionOf(name: string): string | undefined {
  try {
    // nginx writes it to standard error.
    return /\d+\.\d+\.\d+/.exec(execFileSync('sh', ['-c', `${name} -v 2>&1`], { encoding: 'utf8' }))?.[0];
  } catch {
    return undefined;
  }
}

function isThere(name: string): boolean {
  return versionOf(name) !== undefined;
}
