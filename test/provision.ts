// Gets the programs that tests run beside ours (test/support/programs.ts), before the tests run.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAMS, type Program, packagesOf, pathOf } from './support/programs.ts';

/** How often and how long another process that holds apt's lock is waited for. */
const TRIES = 20;
const PAUSE_MS = 3000;

/** What invoke-rc.d and systemd's helpers ask before they start a service; 101 forbids it. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';

/**
 * Makes the programs present that these compiled test files ask for. As root on Debian it installs what is missing and
 * starts none of it as a service; elsewhere, or when that fails, it says what is missing and how to get it.
 */
export async function provision(files: readonly string[]): Promise<void> {
  const missing = programsOf(files).filter((program) => pathOf(program) === undefined);
  if (missing.length === 0) return;
  const packages = packagesOf(missing);
  const isOurs = process.getuid?.() === 0 && existsSync('/etc/debian_version');
  if (isOurs) {
    console.log(`installing for the tests: ${packages.join(' ')}`);
    await withoutServices(() => install(packages));
  }
  const absent = missing.filter((program) => pathOf(program) === undefined);
  if (absent.length === 0) return;
  const advice = `on Debian: apt-get install --no-install-recommends ${packagesOf(absent).join(' ')}`;
  console.error(`tests that need ${absent.join(', ')} cannot run (${advice})`);
}

/** The programs that a file asks for with needs(...), or a file of the tests' own that it imports does. */
export function programsOf(files: readonly string[]): Program[] {
  const seen = new Set<string>();
  const named = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file) || !existsSync(file)) return;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, list = ''] of text.matchAll(/\bneeds\(([^()]*)\)/g))
      for (const [, program = ''] of list.matchAll(/'([^']+)'/g)) named.add(program);
    for (const [, target = ''] of text.matchAll(/\bfrom '(\.[^']+)'/g)) visit(join(dirname(file), target));
  };
  for (const file of files) visit(file);
  return PROGRAMS.filter((program) => named.has(program));
}

async function install(packages: readonly string[]): Promise<void> {
  for (let left = TRIES; left > 0; left--) {
    const failure = apt(['update']) ?? apt(['install', '-y', '--no-install-recommends', ...packages]);
    if (failure === undefined) return;
    const isLocked = /Could not get lock|is another process using it/.test(failure);
    if (!isLocked || left === 1) return console.error(failure);
    await sleep(PAUSE_MS);
  }
}

/** What apt-get said when it failed; undefined when it did not. */
function apt(args: readonly string[]): string | undefined {
  const { status, stdout, stderr } = spawnSync('apt-get', ['-qq', ...args], {
    encoding: 'utf8',
    timeout: 300_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return status === 0 ? undefined : `apt-get ${args[0]} failed: ${stderr || stdout || 'no reason given'}`;
}

async function withoutServices(run: () => Promise<void>): Promise<void> {
  if (existsSync(SERVICE_POLICY)) return run(); // as in most containers; the machine's own rule stays
  writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await run();
  } finally {
    rmSync(SERVICE_POLICY, { force: true });
  }
}
