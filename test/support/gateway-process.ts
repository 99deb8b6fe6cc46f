// A gateway as a process of its own, for what concerns a process: its memory, its signals, its end.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { Child } from '../../gateway/cli/run/child.ts';
import { policyFile } from './gateway.ts';
import { undo } from './undo.ts';

export type GatewayProcess = {
  readonly url: string;
  readonly adminUrl: string;
  /** Where its policy is. */
  readonly policy: string;
  readonly child: Child;
  /** What it has written to standard error so far. */
  readonly told: () => string;
  /** What it has written to standard output so far: its log, at level warn. */
  readonly log: () => string;
  /** Resident memory in MiB: now, and the most so far (proc(5), VmRSS and VmHWM). */
  readonly memory: () => { readonly now: number; readonly most: number };
};

/** Starts `sluice gateway` with a policy's text; it is stopped when the test ends. */
export async function gatewayProcess(
  t: TestContext,
  policy: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<GatewayProcess> {
  const file = policyFile(t, policy);
  const ports = ['--port', '0', '--admin-port', '0', '--drain-grace', '0ms', '--log-level', 'warn'];
  const data = ['--data', join(dirname(file), 'data')];
  const child = new Child(['gateway', '--policy', file, ...ports, ...data, ...args], { env, output: 'pipe' });
  undo(t, () => child.stop());
  let told = '';
  let log = '';
  child.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  child.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  const { url, adminUrl = '' } = await child.listening;
  const memory = () => {
    const status = readFileSync(`/proc/${child.process.pid}/status`, 'utf8');
    const mebibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
    return { now: mebibytes('VmRSS'), most: mebibytes('VmHWM') };
  };
  return { url, adminUrl, policy: file, child, told: () => told, log: () => log, memory };
}
