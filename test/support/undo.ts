import type { TestContext } from 'node:test';

type Undo = () => unknown;

const PENDING = new WeakMap<TestContext, Undo[]>();

/**
 * Undoes something when the test ends. The last one first, and every one even when another fails: node's own `t.after`
 * goes first to last and stops at the first that throws, so a folder would go before the process that writes into it.
 */
export function undo(t: TestContext, step: Undo): void {
  const known = PENDING.get(t);
  if (known !== undefined) return void known.push(step);
  const steps = [step];
  PENDING.set(t, steps);
  t.after(async () => {
    const failures: unknown[] = [];
    for (let next = steps.pop(); next !== undefined; next = steps.pop()) {
      try {
        await next();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures);
  });
}
