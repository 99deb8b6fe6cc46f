// A disk that is full soon. Mounting takes root.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { undo } from './undo.ts';

/** A folder with so much room; it goes with the test. */
export function smallDisk(t: TestContext, size = '2m'): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
  undo(t, () => rmSync(folder, { recursive: true, force: true }));
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
