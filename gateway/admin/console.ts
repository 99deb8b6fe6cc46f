// The console's files: a few, read once, served as they are. What they show they ask the API for.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';

const FOLDER = fileURLToPath(new URL('./console/', import.meta.url));
const UPLOT = join(dirname(createRequire(import.meta.url).resolve('uplot')), '../dist');

const HTML = 'text/html; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';

const SCRIPTS = 'main api dom order overview rollout ladder comparison examples latency pair chart'.split(' ');

/** Name -> where it lies, and what it is. */
const FILES: readonly (readonly [name: string, file: string, type: string])[] = [
  ['', join(FOLDER, 'index.html'), HTML],
  ['console.css', join(FOLDER, 'console.css'), STYLE],
  ...SCRIPTS.map((name) => [`${name}.js`, join(FOLDER, `${name}.js`), SCRIPT] as const),
  ['uplot.js', join(UPLOT, 'uPlot.esm.js'), SCRIPT],
  ['uplot.css', join(UPLOT, 'uPlot.min.css'), STYLE],
];

/** Nothing from elsewhere, nothing inline, in no frame. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-cache',
};

/** Adds the console at `/console/`, to which `/` leads. Open to everyone who can reach the listener: it holds no data. */
export function addConsole(app: FastifyInstance): void {
  const page = { config: { open: 'page' } } as const;
  for (const [name, file, type] of FILES) {
    const content = readFileSync(file);
    app.get(`/console/${name}`, page, (_request, reply) =>
      reply.headers(HEADERS).header('content-type', type).send(content),
    );
  }
  for (const path of ['/', '/console']) app.get(path, page, (_request, reply) => reply.redirect('/console/'));
}
