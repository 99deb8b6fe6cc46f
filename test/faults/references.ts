// Debian's nginx and haproxy, each as a plain proxy in front of one server: what others make of the same bytes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { folderOf } from '../support/folder.ts';
import { freePorts } from '../support/free-ports.ts';
import { type Program, pathOf } from '../support/programs.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

/** Starts nginx in front of `backend`, which is `host:port`; resolves with its URL. */
export function startNginx(t: TestContext, backend: string): Promise<string> {
  return startReference(t, 'nginx', (folder, port) => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
      .join(' ');
    const config = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 256; }
http {
  access_log off; client_header_timeout 2s; client_body_timeout 2s; ${temporary}
  upstream backend { server ${backend}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}`;
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, config);
    return ['-p', folder, '-c', file, '-e', join(folder, 'error.log')];
  });
}

/** Starts haproxy in front of `backend`, which is `host:port`; resolves with its URL. */
export function startHaproxy(t: TestContext, backend: string): Promise<string> {
  return startReference(t, 'haproxy', (folder, port) => {
    const config = `global
  maxconn 256
defaults
  mode http
  timeout connect 2s
  timeout client 2s
  timeout server 5s
listen grid
  bind 127.0.0.1:${port}
  server backend ${backend}
`;
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, config);
    return ['-db', '-q', '-f', file];
  });
}

async function startReference(
  t: TestContext,
  program: Program,
  configure: (folder: string, port: number) => string[],
): Promise<string> {
  const folder = folderOf(t, program);
  const [port = 0] = await freePorts(1);
  const child = spawn(pathOf(program) ?? program, configure(folder, port), { stdio: ['ignore', 'ignore', 'inherit'] });
  undo(t, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await until(() => isListening(port), `${program} listens`);
  return `http://127.0.0.1:${port}`;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
