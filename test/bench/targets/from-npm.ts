import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { freePorts } from '../../support/free-ports.ts';
import type { BackendUrls } from '../backend.ts';
import { type Call, INFER } from '../load.ts';
import { LeftOut, ownFolder, type Running, startScript, startServer } from './target.ts';

/** fast-gateway, a gateway of our ecosystem without fastify. */
export function startFastGateway({ url }: BackendUrls): Promise<Running> {
  return withPackage('fast-gateway@3.4.7', (folder) => startScript('fast-gateway', [folder, url]));
}

/** Portkey's gateway, which speaks the protocols of language models only. */
export async function startPortkey(): Promise<Running> {
  const [port = 0] = await freePorts(1);
  return withPackage('@portkey-ai/gateway@1.15.2', (folder) => {
    const script = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
    return startServer(process.execPath, [script, `--port=${port}`, '--headless'], port);
  });
}

/** Installs a package into a temporary folder, outside this repository, that goes when its process is stopped. */
async function withPackage(name: string, start: (folder: string) => Promise<Running>): Promise<Running> {
  const { folder, remove } = ownFolder('npm');
  try {
    install(name, folder);
    const running = await start(folder);
    return { ...running, stop: () => running.stop().finally(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}

function install(name: string, folder: string): void {
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  try {
    execFileSync('npm', ['install', ...flags, '--prefix', folder, name], {
      cwd: folder,
      stdio: 'pipe',
      timeout: 60_000,
    });
  } catch (error) {
    throw new LeftOut(`npm could not install ${name}: ${String(error).split('\n')[0]}`);
  }
}

/** What Portkey is called with: a chat completion of the same size, for it passes nothing else on to such a server. */
export function portkeyCall({ url }: BackendUrls): Call {
  return {
    path: '/v1/chat/completions',
    headers: ['authorization: Bearer none', 'x-portkey-provider: openai', `x-portkey-custom-host: ${url}/v1`],
    body: JSON.stringify({ model: 'digits', messages: [{ role: 'user', content: INFER.body.replaceAll('"', "'") }] }),
  };
}
