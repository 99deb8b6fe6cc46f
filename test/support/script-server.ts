// A server in a process of its own, so that what it does costs neither the gateway nor whoever measures, and it can be frozen.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { undo } from './undo.ts';

export type ScriptServer = { readonly url: string; readonly kill: (signal: NodeJS.Signals) => void };

/** Runs a script that makes a `server`; it listens on loopback and ends with the test. */
export async function scriptServer(t: TestContext, script: string): Promise<ScriptServer> {
  const child = spawn(process.execPath, ['-e', script + LISTEN], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  undo(t, () => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  return { url: `http://127.0.0.1:${String(line).trim()}`, kill: (signal) => void child.kill(signal) };
}

const LISTEN = `
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('disconnect', () => process.exit());
`;
