import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Choosable, choose } from '../../../../gateway/forward/fleet/balance.ts';

type Named = Choosable & { readonly name: string };
type Traits = { cost?: number; full?: boolean; unwell?: boolean; probing?: boolean };

const server = (name: string, { cost = 1, full = false, unwell = false, probing = false }: Traits = {}): Named => ({
  name,
  cost: () => cost,
  hasRoom: () => !full,
  isWell: () => !unwell && !probing,
  isDueForProbe: () => probing,
});

/** How often each server is chosen over an even grid of draws. */
function shares(groups: readonly (readonly Named[])[], tried: readonly Named[] = []): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < 600; i++) {
    const draws = [(i % 30) / 30, Math.floor(i / 30) / 20, (i % 7) / 7];
    const name = choose(groups, 0, () => draws.shift() ?? 0, tried)?.name ?? 'none';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

test('equal servers share evenly', () => {
  assert.deepEqual(shares([[server('a'), server('b'), server('c')]]), { a: 200, b: 200, c: 200 });
});

test('the cheaper of two is chosen, so the dearest of three gets nothing', () => {
  const counts = shares([[server('a', { cost: 9 }), server('b', { cost: 1 }), server('c', { cost: 2 })]]);
  assert.equal(counts.a, undefined);
  assert.ok((counts.b ?? 0) > (counts.c ?? 0));
});

test('a server at its cap is left out, and when all are there is no choice', () => {
  assert.deepEqual(shares([[server('a', { full: true }), server('b')]]), { b: 600 });
  assert.deepEqual(shares([[server('a', { full: true })]]), { none: 600 });
});

test('an unwell server gets nothing, and one that is due for a probe gets the next request', () => {
  assert.deepEqual(shares([[server('a', { unwell: true }), server('b')]]), { b: 600 });
  assert.ok((shares([[server('a', { probing: true }), server('b')]]).a ?? 0) > 500);
});

test('when every server is unwell all are tried in turn', () => {
  const counts = shares([[server('a', { unwell: true }), server('b', { unwell: true })]]);
  assert.deepEqual(Object.keys(counts).sort(), ['a', 'b']);
});

test('when the well ones are full, the others take the overflow only once they are the majority', () => {
  const full = server('a', { full: true });
  assert.deepEqual(shares([[full, server('b', { unwell: true })]]), { none: 600 });
  assert.deepEqual(
    shares([[full, server('b', { unwell: true, cost: 5 }), server('c', { unwell: true, cost: 2 })]]),
    { c: 600 },
    'and the cheapest of them first',
  );
});

test('the preferred class is asked first, the other one when it is full or gone', () => {
  const cpu = [server('cpu')];
  assert.deepEqual(shares([[server('gpu')], cpu]), { gpu: 600 });
  assert.deepEqual(shares([[server('gpu', { full: true })], cpu]), { cpu: 600 });
  assert.deepEqual(shares([[server('gpu', { unwell: true })], cpu]), { cpu: 600 });
  assert.deepEqual(shares([[], cpu]), { cpu: 600 });
});

test('what was tried is not chosen again', () => {
  const [a, b] = [server('a'), server('b')];
  assert.deepEqual(shares([[a, b]], [a]), { b: 600 });
  assert.deepEqual(shares([[a, b]], [a, b]), { none: 600 });
});
