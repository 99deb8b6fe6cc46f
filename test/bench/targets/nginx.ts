import { freePorts } from '../../support/free-ports.ts';
import type { BackendUrls } from '../backend.ts';
import { debian } from './debian.ts';
import { type Running, startConfigured } from './target.ts';

/** nginx as a careful operator sets it up: one process, no log, connections to the servers kept and used again. */
export async function startNginx(backend: BackendUrls, does: 'weighted' | 'mirrors'): Promise<Running> {
  debian('nginx');
  const [port = 0] = await freePorts(1);
  const location = does === 'weighted' ? WEIGHTED : MIRRORING;
  const config = (folder: string) => `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder};
  fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  split_clients "$http_x_user_id" $version { 10% 2; * 1; }
  upstream v1 { server ${new URL(backend.url).host}; keepalive 128; keepalive_requests 100000000; }
  upstream v2 { server ${new URL(backend.url).host}; keepalive 128; keepalive_requests 100000000; }
  upstream mirror { server ${new URL(backend.mirrorUrl).host}; keepalive 128; keepalive_requests 100000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 100000000;
    ${location}
  }
}`;
  // Not /var/log/nginx/error.log, which it would open before it reads the file.
  return startConfigured('nginx', port, config, (file) => ['-e', 'stderr', '-c', file]);
}

const WEIGHTED = `location = /v2/models/digits/infer {
      proxy_pass http://v$version/v2/models/digits/versions/$version/infer;
    }`;

const MIRRORING = `location = /v2/models/digits/infer {
      mirror /mirror;
      proxy_pass http://v1/v2/models/digits/versions/1/infer;
    }
    location = /mirror {
      internal;
      proxy_pass http://mirror/v2/models/digits/versions/3/infer;
    }`;
