// A disk that is full soon.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { folderOf } from './folder.ts';
import { undo } from './undo.ts';

/** Mounting takes root. */
export const CAN_MOUNT = process.getuid?.() === 0;

/** What `test` takes as its options when it mounts a disk. Without root it is skipped, but with CI=true this throws. */
export function needsRoot(): { skip: string | false } {
  if (CAN_MOUNT) return { skip: false };
  const reason = 'root is missing, and mounting a disk takes it: run this test as root';
  if (process.env.CI === 'true') throw new Error(reason);
  return { skip: reason };
}

/** A folder with so much room; it goes with the test. */
export function smallDisk(t: TestContext, size = '2m'): string {
  const folder = folderOf(t, 'disk');
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  undo(t, () => execFileSync('umount', ['-l', folder]));
  return folder;
}

/** Writes until the disk is full. */
export function fill(file: string): void {
  try {
    for (let i = 0; i < 1000; i++) appendFileSync(file, Buffer.alloc(64 * 1024, 1));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    try {
      for (let i = 0; i < 64 * 1024; i++) appendFileSync(file, 'x');
    } catch {
      return;
    }
  }
  assert.fail('the disk took 64 MB and more');
}
