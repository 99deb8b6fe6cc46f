// The real Prometheus and Alertmanager with the configuration of deploy/, made fast enough for a test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { folderOf } from './folder.ts';
import { freePorts } from './free-ports.ts';
import { type Program, pathOf } from './programs.ts';
import { undo } from './undo.ts';

/** What replaces what in the shipped files: the addresses of a test. */
export type Addresses = Readonly<Record<string, string>>;

/** Starts both; they end with the test. Returns Prometheus' address. */
export async function prometheusAndAlertmanager(t: TestContext, own: Addresses): Promise<string> {
  const folder = folderOf(t, 'alerts');
  const [prometheus = 0, alertmanager = 0] = await freePorts(2);
  const addresses = { '127.0.0.1:9093': `127.0.0.1:${alertmanager}`, ...own };
  for (const [name, file] of [
    ['rules.yaml', 'prometheus/rules.yaml'],
    ['prometheus.yaml', 'prometheus/prometheus.yaml'],
    ['alertmanager.yaml', 'alertmanager/alertmanager.yaml'],
  ] as const)
    writeFileSync(join(folder, name), hurried(file, addresses));
  run(t, 'prometheus-alertmanager', [
    `--config.file=${folder}/alertmanager.yaml`,
    `--storage.path=${folder}/alertmanager`,
    `--web.listen-address=127.0.0.1:${alertmanager}`,
    '--cluster.listen-address=',
  ]);
  run(t, 'prometheus', [
    `--config.file=${folder}/prometheus.yaml`,
    `--storage.tsdb.path=${folder}/prometheus`,
    `--web.listen-address=127.0.0.1:${prometheus}`,
  ]);
  return `http://127.0.0.1:${prometheus}`;
}

/** The shipped files with their minutes made seconds, and the addresses of this test. */
function hurried(file: string, addresses: Addresses): string {
  let text = readFileSync(`deploy/${file}`, 'utf8')
    .replace(/\[(\d)m\]/g, '[5s]')
    .replace(/rate\dm/g, 'rate5s')
    .replace(/for: \d+m/g, 'for: 1s')
    .replace(/(interval|_wait): (15s|10s|1m)/g, '$1: 1s');
  for (const [shipped, own] of Object.entries(addresses)) text = text.replaceAll(shipped, own);
  return text;
}

function run(t: TestContext, program: Program, args: readonly string[]): void {
  const child = spawn(pathOf(program) ?? program, args, { stdio: 'ignore' });
  undo(t, async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
}
