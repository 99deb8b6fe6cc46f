// What is measured: each a process of its own in front of the same backend.
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../gateway/cli/child.ts';

export type Target = {
  readonly name: string;
  readonly url: string;
  readonly pids: readonly number[];
  readonly stop: () => Promise<void>;
};

export type StartTarget = (backend: string) => Promise<Target>;

/** The targets of this machine: nginx is measured where it is installed. */
export function targets(): StartTarget[] {
  const ours = [
    (backend: string) => sluice('sluice, baseline only', backend, ''),
    (backend: string) =>
      sluice(
        'sluice, sticky canary 10 %',
        backend,
        'rollout: { id: c, candidate: v2, unit: header x-user-id, steps: [10%] }',
      ),
  ];
  return [...ours, httpProxy, ...(hasNginx() ? [nginx] : [])];
}

/** Starts a script of this folder that tells its URL once it listens. */
export async function startScript(
  script: string,
  args: readonly string[] = [],
): Promise<{ url: string; process: ChildProcess }> {
  const child = fork(new URL(`./${script}.js`, import.meta.url), args);
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  return { url, process: child };
}

async function sluice(name: string, backend: string, rollout: string): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const policy = join(folder, 'policy.yaml');
  writeFileSync(
    policy,
    `apiVersion: sluice/v1
fleet: { a: { url: "${backend}" } }
models:
  digits:
    timeout: 5s
    versions: { v1: { servers: [a], version: "1" }, v2: { servers: [a], version: "2" } }
    baseline: v1
    ${rollout}
`,
  );
  const child = new Child([
    'gateway',
    '--policy',
    policy,
    '--port',
    '0',
    '--admin-port',
    '0',
    '--log-level',
    'warn',
    '--drain-grace',
    '0ms',
  ]);
  const { url } = await child.listening;
  const stop = async () => {
    await child.stop();
    rmSync(folder, { recursive: true });
  };
  return { name, url, pids: [child.process.pid ?? 0], stop };
}

async function httpProxy(backend: string): Promise<Target> {
  const { url, process: child } = await startScript('http-proxy', [backend]);
  return { name: 'plain @fastify/http-proxy', url, pids: [child.pid ?? 0], stop: async () => void child.kill() };
}

async function nginx(backend: string): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-nginx-'));
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const { host } = new URL(backend);
  const conf = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder};
  fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  split_clients "$http_x_user_id" $version { 10% 2; * 1; }
  upstream v1 { server ${host}; keepalive 64; }
  upstream v2 { server ${host}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 10000000;
    location /v2/models/digits/infer {
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass http://v$version/v2/models/digits/versions/$version/infer;
    }
  }
}`;
  writeFileSync(join(folder, 'nginx.conf'), conf);
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'inherit' });
  await sleep(300);
  const stop = async () => {
    child.kill();
    await once(child, 'exit');
    rmSync(folder, { recursive: true });
  };
  return { name: 'nginx, weighted by user', url: `http://127.0.0.1:${port}`, pids: [child.pid ?? 0], stop };
}

function hasNginx(): boolean {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
