// Which files the test command runs.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** The compiled files that end so, from the project's folder; with `wanted` those whose path holds one of these. */
export function filesOf(ending: '.test.js' | '.soak.js', wanted: readonly string[] = []): string[] {
  return (
    readdirSync(here, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith(ending))
      // The build never empties dist/, for a running `npm start` lives in it: a test whose source is gone is gone.
      .filter((file) => existsSync(join('test', file.replace(/\.js$/, '.ts'))))
      .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
      .sort()
      .map((file) => relative(process.cwd(), join(here, file)))
  );
}

/** Stories whose outcome the runtime can change: what is forwarded, streamed, copied, compared, stored and drained. */
const STORIES_OF_THE_RUNTIME = ['cascade', 'cluster', 'console', 'forwarding', 'main-job', 'rollback', 'shadow'];

/**
 * Whether a runtime can change the outcome of a test file. All units, all faults (framing, signals, memory, sockets) and
 * the images can. What is left out is long, or says nothing of the runtime: the stories of suspensions, whose decisions are
 * pure and tested as units here; alerts, documents and manifests; and the measuring tools.
 */
export function isOfTheRuntime(file: string): boolean {
  const path = file.replace(/^.*dist\/test\//, '');
  if (path.startsWith('stories/')) return STORIES_OF_THE_RUNTIME.some((name) => path === `stories/${name}.test.js`);
  return (
    /^(gateway|model-server|faults|support)\//.test(path) || /^(deploy\/images|node-versions)\.test\.js$/.test(path)
  );
}
