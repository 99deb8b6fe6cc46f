import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a claim holds, asking again and again; fails after `withinMs` with what it waited for. */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string, withinMs = 15_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadline, `${withinMs} ms passed without ${what}`);
    await sleep(10);
  }
}
