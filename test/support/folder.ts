import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { undo } from './undo.ts';

/** A folder that goes with the test, also when a process that was killed a moment ago still writes into it. */
export function folderOf(t: TestContext, name = 'test'): string {
  const folder = mkdtempSync(join(tmpdir(), `sluice-${name}-`));
  undo(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
