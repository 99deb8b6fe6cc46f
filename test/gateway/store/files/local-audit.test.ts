// The audit trail of one gateway while its disk fails, and when the disk is back.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LocalAudit } from '../../../../gateway/store/files/local-audit.ts';
import type { AuditEntry } from '../../../../gateway/store/store.ts';
import { folderOf } from '../../../support/folder.ts';

const entry = (i: number) => ({ id: `e${i}`, at: i }) as unknown as AuditEntry;

test('an entry that is being written is not counted as lost when another one comes', async (t) => {
  const folder = join(folderOf(t), 'away');
  const audit = new LocalAudit(join(folder, 'audit.jsonl'));
  const appended = Array.from({ length: 1001 }, (_, i) => audit.append(entry(i)).catch(() => 'failed'));
  assert.ok((await Promise.all(appended)).every((how) => how === 'failed'));
  assert.equal(audit.dropped, 1, 'the oldest one, which no write had');
  mkdirSync(folder);
  const retry = audit.close();
  await turn(); // the write has begun
  const late = [1001, 1002].map((i) => audit.append(entry(i)));
  await Promise.all([retry, ...late]);
  assert.equal(audit.dropped, 1);
  const found = new Set((await audit.read(1000)).map(({ id }) => id));
  assert.ok(found.has('e3') && found.has('e1002'));
});
