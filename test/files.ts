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

/** Stories in which a runtime's sockets, memory and processes are what is tried. */
const STORIES_OF_THE_RUNTIME = ['forwarding', 'shadow'];
/** Units that take long and try no runtime: random states and texts for pure code, damaged files, a Redis that refuses. */
const NOT_OF_THE_RUNTIME =
  /^gateway\/(judge\/invariants|policy\/mutations|store\/(files\/damaged-files|redis\/redis-\w+))\.test\.js$/;

/**
 * Whether a test file is run under the Node of the images too, which is to take six minutes at most: half the suite. A
 * runtime can change the outcome of units, of faults (framing, signals, memory, sockets) and of the images. The other
 * stories are long and try the parts together, not the runtime; documents, manifests and the measuring tools have none.
 * `npm run soak -- node-versions` leaves nothing out.
 */
export function isOfTheRuntime(file: string): boolean {
  const path = file.replace(/^.*dist\/test\//, '');
  if (path.startsWith('stories/')) return STORIES_OF_THE_RUNTIME.some((name) => path === `stories/${name}.test.js`);
  if (NOT_OF_THE_RUNTIME.test(path) || path.startsWith('model-server/training/')) return false;
  return (
    /^(gateway|model-server|faults|support)\//.test(path) || /^(deploy\/images|node-versions)\.test\.js$/.test(path)
  );
}
