import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { RequestArguments } from '../../../gateway/cli/policy/request-arguments.ts';
import { folderOf } from '../../support/folder.ts';

/** A command line that says nothing of a request. */
export const NOTHING: RequestArguments = {
  url: '',
  file: '',
  request: '',
  header: [],
  data: [],
  'data-binary': [],
  'data-raw': [],
  'user-agent': '',
  cookie: '',
  user: '',
};

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs the built `sluice` command to its end. */
export function sluice(args: readonly string[], stdin = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['dist/gateway/main.js', ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr }),
    );
    child.stdin?.end(stdin);
  });
}

/** A file with this text, gone after the test. */
export function fileWith(t: TestContext, text: string, name = 'policy.yaml'): string {
  const folder = folderOf(t, 'cli');
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** A policy with one model "digits" of versions v1, v2 and v3, whose other keys are `more`. */
export function digits(more: string, others = ''): string {
  return `apiVersion: sluice/v1
fleet: { a: { url: "http://127.0.0.1:9101" } }
models:
  digits:
    timeout: 500ms
    versions: { v1: { servers: [a] }, v2: { servers: [a], version: "2" }, v3: { servers: [a] } }
    baseline: v1
    ${more}
${others}`;
}

/** One rollout to v2. */
export function rollout(steps: string, more = ''): string {
  return `rollout: { id: r2, candidate: v2, unit: header x-user-id, steps: [${steps}]${more} }`;
}

/** A ladder of two models beside it. */
export const LADDER = `  small: { timeout: 50ms, versions: { v1: { servers: [a] } }, baseline: v1 }
  large: { timeout: 50ms, versions: { v1: { servers: [a] } }, baseline: v1 }
  spam:
    tiers:
      ladder: { fast: small, accurate: large }
      rules:
        - { when: { header: { x-customer-tier: enterprise } }, use: accurate }
        - { when: { text_length: { below: 50 } }, use: fast }
        - { use: accurate }
`;
