// Lives of whole clusters for tests: the images of deploy/Dockerfile, the objects of an overlay, and what must have come of them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { currentKubectl } from '../current-kubectl.ts';
import { buildFolder, layOut, stages } from '../dockerfile.ts';
import { folderOf } from '../folder.ts';
import { render, type Thing } from '../kubernetes.ts';
import { needs } from '../programs.ts';
import { CAN_MOUNT } from '../small-disk.ts';
import { undo } from '../undo.ts';
import type { Call, Life, PodLife, Script } from './cluster-main.ts';
import type { Image } from './plan.ts';

const TOKEN = 'a-token-of-the-tests';
/** The one thing that deploy/README.md creates by hand. */
const SECRET: Thing = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'sluice' },
  data: { 'redis-url': 'redis://redis:6379', 'admin-token': TOKEN },
};
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Redis' image is built without the protected mode, which takes connections from loopback only. */
const REDIS_PROGRAMS = { 'redis-server': '#!/bin/sh\nexec /usr/bin/redis-server "$@" --protected-mode no\n' };
const READY_WITHIN_MS = 60_000;

const { skip } = needs('kubectl', 'unzip', 'redis-server', 'unshare', 'setpriv', 'ip');
/** What a test takes that lives through a cluster. */
export const inNamespaces = { skip: skip || (CAN_MOUNT ? false : 'namespaces take root') };

/** The images of deploy/Dockerfile, laid out, and Redis' own: this machine's redis-server, started in /data. */
export function imagesOf(t: TestContext): Record<string, Image> {
  const build = buildFolder(t);
  const all = stages();
  const images = ['gateway', 'model-server', 'model-server-gpu'].map((name) => {
    const stage = all.get(name);
    assert.ok(stage !== undefined, name);
    const copies = stage.copies.filter(({ sources }) => !sources.includes('/usr/local/bin/node'));
    const root = layOut(t, { ...stage, copies }, build);
    const env = { PATH, HOME: '/home/node', ...stage.env };
    return [`sluice/${name}`, { root, env, entrypoint: stage.entrypoint, workdir: stage.workdir }] as const;
  });
  const root = folderOf(t, 'redis-image');
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'data'));
  return {
    ...Object.fromEntries(images),
    redis: { root, env: { PATH, HOME: '/data' }, entrypoint: [], workdir: '/data', programs: REDIS_PROGRAMS },
  };
}

/** Lives through a cluster in namespaces that end with it. */
export async function live(t: TestContext, script: Omit<Script, 'folder' | 'readyWithinMs'>): Promise<Life> {
  const folder = folderOf(t, 'cluster');
  const file = join(folder, 'script.json');
  writeFileSync(file, JSON.stringify({ ...script, folder, readyWithinMs: READY_WITHIN_MS }));
  const enter = ['--mount', '--propagation', 'private', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const main = 'dist/test/support/pods/cluster-main.js';
  const child = spawn('unshare', [...enter, process.execPath, '--enable-source-maps', main, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  undo(t, () => child.kill('SIGKILL'));
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, errors);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Life;
}

function assertLivedWell(pod: PodLife): void {
  const story = `${pod.name}: ${JSON.stringify({ ...pod, output: '' })}\n${pod.output}`;
  assert.ok(pod.becameReady, story);
  if (pod.isDone) return;
  assert.equal(pod.crashes, 0, story);
  assert.equal(pod.end.code, 0, story);
  assert.ok(pod.end.ms < pod.graceMs, story);
}

/** The Services that applications and people call, as the test asks them. */
export function callsTo(models: readonly string[], servers: number): Call[] {
  const body = readFileSync('config/data/digits.json', 'utf8');
  const headers = { 'content-type': 'application/json' };
  return [
    ...models.map((model) => ({ service: 'sluice', port: 80, path: `/v2/models/${model}/infer`, body, headers })),
    {
      service: 'sluice-admin',
      port: 8081,
      path: '/api/status',
      headers: { authorization: `Bearer ${TOKEN}` },
      until: `"kind":"redis","up":true.*(@10\\.244\\.1\\.\\d+".*){${servers}}`,
    },
    { service: 'sluice-admin', port: 8081, path: '/readyz' },
  ];
}

type Status = { store: { up: boolean }; fleet: Record<string, { name: string }> };

/** A life in which every pod became ready, did not crash, and ended within its grace period; every call was answered. */
export function assertAllWell({ pods, answers }: Life, services: number): void {
  for (const pod of pods) assertLivedWell(pod);
  for (const { status, body } of answers) assert.equal(status, 200, body);
  const { store, fleet } = JSON.parse(answers.at(-2)?.body ?? '') as Status;
  assert.ok(store.up, JSON.stringify(store));
  assert.equal(Object.keys(fleet).length, services);
}

/** What kubectl renders of an overlay, and the Secret beside it. */
export const things = (overlay: string): readonly Thing[] => [...render(currentKubectl(), overlay), SECRET];

/** The objects with another text in the place of one that they must hold. */
export function changed(all: readonly Thing[], from: string, to: string): readonly Thing[] {
  const text = JSON.stringify(all);
  assert.ok(text.includes(from), from);
  return JSON.parse(text.replaceAll(from, to)) as readonly Thing[];
}
