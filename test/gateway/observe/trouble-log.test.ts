import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '../../../gateway/observe/log.ts';
import { troubleLog } from '../../../gateway/observe/trouble-log.ts';

test('a trouble that comes every second is logged once, and again after a minute with how often it came', () => {
  const lines: { readonly message: string; readonly suppressed: number | undefined }[] = [];
  const log = {
    error: ({ err, suppressed }: { err: Error; suppressed?: number }) =>
      lines.push({ message: err.message, suppressed }),
  } as unknown as Logger;
  let now = 0;
  const report = troubleLog(log, 'the judge', () => now);
  for (; now < 130_000; now += 1000) {
    report(new Error('the disk is full'));
    if (now === 5000) report(new Error('another'));
  }
  assert.deepEqual(lines, [
    { message: 'the disk is full', suppressed: undefined },
    { message: 'another', suppressed: undefined },
    { message: 'the disk is full', suppressed: 59 },
    { message: 'the disk is full', suppressed: 59 },
  ]);
});
