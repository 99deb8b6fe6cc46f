import { freePorts } from '../../support/free-ports.ts';
import type { BackendUrls } from '../backend.ts';
import { debian } from './debian.ts';
import { type Running, startConfigured } from './target.ts';

/** haproxy with one thread, sorting users by a hash and using connections to the servers again. */
export async function startHaproxy(backend: BackendUrls): Promise<Running> {
  debian('haproxy');
  const [port = 0] = await freePorts(1);
  const { host } = new URL(backend.url);
  const config = `global
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 5s
  http-reuse always
frontend applications
  bind 127.0.0.1:${port}
  http-request set-var(txn.slot) req.hdr(x-user-id),xxh32,mod(100)
  use_backend v2 if { var(txn.slot) -m int lt 10 }
  default_backend v1
${[1, 2].map((version) => `backend v${version}\n  http-request set-path /v2/models/digits/versions/${version}/infer\n  server a ${host}\n`).join('')}`;
  return startConfigured(
    'haproxy',
    port,
    () => config,
    (file) => ['-db', '-f', file],
  );
}
