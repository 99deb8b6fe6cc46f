// The files that a pod's process sees: the image read-only, the volumes on top, and of this machine the programs alone.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Mount, PodPlan } from './plan.ts';

const PASSWD = 'root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\nredis:x:999:999::/data:/bin/sh\n';
const GROUP = 'root:x:0:\nnode:x:1000:\nredis:x:999:\n';

/** Mounts what stands in `from` at `to`. */
function bind(from: string, to: string, isReadOnly = true): string {
  const once = `mount --bind '${from}' '${to}'`;
  return isReadOnly ? `${once} && mount -o remount,bind,ro '${to}'` : once;
}

/** Makes a pod's root folder; what a shell has to run in the pod's namespaces before the process, which follows as "$@". */
export function layOutPod(
  plan: PodPlan,
  folder: string,
  hosts: string,
): { readonly root: string; readonly script: string } {
  const root = join(folder, plan.name, 'root');
  const isNew = !existsSync(root); // a task that is tried again has its folders
  const at = (...path: string[]) => {
    const made = join(root, ...path);
    mkdirSync(made, { recursive: true });
    return made;
  };
  for (const path of ['usr', 'proc', 'dev', 'tmp', 'run', 'home/node']) at(path);
  if (isNew) for (const path of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${path}`, join(root, path));
  layOutEtc(at('etc'));
  const programs = join(folder, plan.name, 'bin');
  mkdirSync(programs, { recursive: true });
  writeFileSync(join(programs, 'node'), '');
  for (const [name, text] of Object.entries(plan.image.programs ?? {}))
    writeFileSync(join(programs, name), text, { mode: 0o755 });
  const mounts = plan.mounts.map((mount, i) =>
    bind(volume(join(folder, plan.name, `volume-${i}`), mount, plan.user.groups), at(mount.path), mount.isReadOnly),
  );
  const script = [
    `hostname '${plan.name}'`,
    `mount --bind '${root}' '${root}'`,
    bind('/usr', join(root, 'usr')),
    bind(programs, join(root, 'usr/local/bin')),
    bind(process.execPath, join(root, 'usr/local/bin/node')),
    bind(hosts, join(root, 'etc/hosts')),
    ...readdirSync(plan.image.root).map((name) => bind(join(plan.image.root, name), at(name))),
    ...mounts,
    `mount -t proc proc '${join(root, 'proc')}'`,
    `mount --rbind /dev '${join(root, 'dev')}'`,
    ...(plan.isReadOnly ? [`mount -o remount,bind,ro '${root}'`] : []),
    'exec "$@"',
  ];
  return { root, script: script.join('\n') };
}

function layOutEtc(etc: string): void {
  writeFileSync(join(etc, 'passwd'), PASSWD);
  writeFileSync(join(etc, 'group'), GROUP);
  writeFileSync(join(etc, 'nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files\n');
  writeFileSync(join(etc, 'host.conf'), 'multi on\n'); // every address of a name
  writeFileSync(join(etc, 'hosts'), '');
  if (existsSync('/etc/ld.so.cache')) copyFileSync('/etc/ld.so.cache', join(etc, 'ld.so.cache'));
}

/** A volume's folder as kubelet makes it: writable for the fsGroup, or files behind a link that can be swapped at once. */
function volume(folder: string, { files }: Mount, [fsGroup]: readonly number[]): string {
  const isNew = !existsSync(folder);
  mkdirSync(folder, { recursive: true });
  if (files === undefined) {
    if (!isNew) return folder;
    chownSync(folder, 0, fsGroup ?? 0);
    chmodSync(folder, fsGroup === undefined ? 0o777 : 0o2775);
    return folder;
  }
  if (!isNew) return folder;
  chmodSync(folder, 0o755);
  const content = '..2026_01_01_00_00_00.1';
  mkdirSync(join(folder, content), { mode: 0o755 });
  symlinkSync(content, join(folder, '..data'));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, content, name), text, { mode: 0o644 });
    chownSync(join(folder, content, name), 0, fsGroup ?? 0);
    symlinkSync(`..data/${name}`, join(folder, name));
  }
  return folder;
}
