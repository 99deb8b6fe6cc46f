import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackendUrls } from '../backend.ts';
import type { Call } from '../load.ts';

/** Something that can be measured. */
export type Target = {
  readonly name: string;
  /** What must be seen at the backend besides every request: a share at version 2, and a copy at the mirror's port. */
  readonly weighted?: true;
  readonly mirrors?: true;
  /** In its own protocol, when it has one. */
  readonly call?: (backend: BackendUrls) => Call;
  /** Throws LeftOut when it cannot be had on this machine. */
  readonly start: (backend: BackendUrls) => Promise<Running>;
};

/** A target in a process of its own, ready to be called. */
export type Running = { readonly url: string; readonly pid: number; readonly stop: () => Promise<void> };

/** Why a target is not measured here: that is said, and the others are measured. */
export class LeftOut extends Error {}

/** A folder for one target's files, and what removes it. */
export function ownFolder(name: string): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), `sluice-bench-${name}-`));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Starts a script of this folder, which tells its URL once it listens and ends when this process does. */
export async function startScript(script: string, args: readonly string[]): Promise<Running> {
  const child = fork(new URL(`./${script}.js`, import.meta.url), args);
  const early = once(child, 'exit').then(() => Promise.reject(new Error(`${script} ended before it listened`)));
  const [{ url }] = (await Promise.race([once(child, 'message'), early])) as [{ url: string }];
  early.catch(() => {});
  return { url, pid: pidOf(child), stop: () => stopChild(child) };
}

/** Starts a server that is told its port by its arguments or a file, and waits until it listens there. */
export async function startServer(command: string, args: readonly string[], port: number): Promise<Running> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill); // it has no channel to tell it that this process is gone
  const stop = async () => {
    process.off('exit', kill);
    await stopChild(child);
  };
  const giveUpAt = performance.now() + 10_000;
  while (!(await listensOn(port))) {
    if (child.exitCode !== null || performance.now() > giveUpAt) {
      await stop();
      throw new Error(`${command} does not listen on port ${port}`);
    }
    await sleep(20);
  }
  return { url: `http://127.0.0.1:${port}`, pid: pidOf(child), stop };
}

/** The same with a configuration file, whose place `args` is given. */
export async function startConfigured(
  command: string,
  port: number,
  config: (folder: string) => string,
  args: (file: string) => readonly string[],
): Promise<Running> {
  const { folder, remove } = ownFolder(command);
  const file = join(folder, `${command}.conf`);
  writeFileSync(file, config(folder));
  try {
    const running = await startServer(command, args(file), port);
    return { ...running, stop: () => running.stop().finally(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(kill);
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('the process did not start');
  return pid;
}

function listensOn(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
