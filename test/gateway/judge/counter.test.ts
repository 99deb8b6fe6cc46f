import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Outcome } from '../../../gateway/flow.ts';
import { countOutcome } from '../../../gateway/judge/count.ts';
import { Counter, type Heard, type Limits } from '../../../gateway/judge/counter.ts';
import { sizeOf } from '../../../gateway/judge/histogram.ts';
import { Levels } from '../../../gateway/judge/levels.ts';
import { addTallies, emptyTally, isSound, type Tally } from '../../../gateway/judge/tally.ts';

const LIMITS: Limits = { edges: { cpu: [100, 200], gpu: [10] }, latencyMs: 250, isJudged: true };
const NO_LIMITS: Limits = { edges: { cpu: [], gpu: [] }, latencyMs: undefined, isJudged: true };

const RULES = [
  ['an answer', 'ok', undefined, 1, { isError: false, latencyMs: 30, isCensored: false }],
  ['a fault of the model', 'model_fault', undefined, 1, { isError: true, latencyMs: undefined, isCensored: false }],
  ['a broken answer', 'model_fault', 'broken', 1, { isError: true, latencyMs: undefined, isCensored: false }],
  ['a timeout', 'model_fault', 'deadline', 1, { isError: true, latencyMs: 30, isCensored: true }],
  ['a caller who left', 'client_left', 'client_left', 1, { isError: undefined, latencyMs: 30, isCensored: true }],
  ['a caller who was wrong', 'client_fault', undefined, 1, undefined],
  ['a request that was shed', 'shed', 'shed', 1, undefined],
  ['a second attempt', 'ok', undefined, 2, undefined],
  ['a second attempt that failed', 'model_fault', 'broken', 2, undefined],
] as const satisfies readonly (readonly [string, Outcome['class'], Outcome['fault'], number, unknown])[];

for (const [what, kind, fault, attempt, counted] of RULES) {
  test(`${what} ${counted === undefined ? 'says nothing' : `is ${JSON.stringify(counted)}`}`, () => {
    const silent = { isError: undefined, latencyMs: undefined, isCensored: false };
    assert.deepEqual(countOutcome({ class: kind, fault, latencyMs: 30 }, attempt), counted ?? silent);
  });
}

test('a caller who fails ten times in a minute is one error, and one more in the next minute', () => {
  const counter = new Counter(NO_LIMITS);
  for (let i = 0; i < 10; i++) counter.count(failed('ada'));
  assert.deepEqual(counter.take().errors, {
    unit: { trials: 1, hits: 1 },
    request: { trials: 0, hits: 0 },
    counted: { trials: 1, hits: 1 },
  });
  counter.count(failed('ada'));
  assert.equal(counter.take().errors.counted.trials, 0);
  counter.forget();
  counter.count(failed('ada'));
  assert.equal(counter.take().errors.counted.hits, 1);
});

test('without a caller every request counts', () => {
  const counter = new Counter(NO_LIMITS);
  for (let i = 0; i < 10; i++) counter.count(failed(undefined));
  assert.deepEqual(counter.take().errors.request, { trials: 10, hits: 10 });
});

test('a rate is counted in requests, exposure in callers: a caller with a thousand requests is one caller at risk', () => {
  const counter = new Counter(NO_LIMITS);
  for (let i = 0; i < 1000; i++) counter.count(answered('bulk'));
  for (let i = 0; i < 10; i++) counter.count(answered(`u${i}`));
  counter.count(failed('u3'));
  const { errors } = counter.take();
  assert.deepEqual(errors.unit, { trials: 11, hits: 1 });
  assert.deepEqual(errors.counted, { trials: 1011, hits: 1 });
  // Those who were heard in this minute are still at risk, but for the one that has failed.
  assert.deepEqual(counter.take().errors.unit, { trials: 10, hits: 0 });
});

test('an answer is slower than each edge below it, once a caller and minute, and only among servers of its class', () => {
  const counter = new Counter(LIMITS);
  counter.count(answered('ada', 150));
  counter.count(answered('ada', 150));
  counter.count(answered('ada', 300));
  counter.count({ ...answered('bob', 50), serverClass: 'gpu' });
  const { slow, over, histograms, examples } = counter.take();
  assert.deepEqual(
    slow.cpu.signals.map(({ unit }) => unit),
    [
      { trials: 1, hits: 1 },
      { trials: 1, hits: 1 },
    ],
  );
  assert.deepEqual(slow.gpu.signals[0]?.unit, { trials: 1, hits: 1 });
  assert.deepEqual(over.counted, { trials: 4, hits: 1 });
  assert.deepEqual([sizeOf(histograms.cpu), sizeOf(histograms.gpu)], [3, 1]);
  assert.deepEqual(examples.slow, ['ada']);
});

test('a caller who left is as slow as was seen, and nothing is said about the edges beyond', () => {
  const counter = new Counter(LIMITS);
  counter.count({ ...answered(undefined, 150), class: 'client_left', fault: 'client_left' });
  const { slow, over, errors } = counter.take();
  assert.deepEqual(
    slow.cpu.signals.map(({ request }) => request),
    [
      { trials: 1, hits: 1 },
      { trials: 0, hits: 0 },
    ],
  );
  assert.equal(over.counted.trials, 0);
  assert.equal(errors.counted.trials, 0);
});

test('failures in a row are those of different callers, go on from tick to tick, and end with an answer', () => {
  const counter = new Counter(NO_LIMITS);
  for (const unit of ['a', 'b', 'b', 'b']) counter.count(failed(unit));
  assert.deepEqual(counter.take().streak, { latest: 2, longest: 2 });
  counter.count(failed('c'));
  counter.count(answered('b'));
  counter.count(failed('d'));
  assert.deepEqual(counter.take().streak, { latest: 1, longest: 3 });
});

test('memory is bounded also in a tick that does not end: then no one new is listened to', () => {
  const levels = new Levels(1);
  for (let i = 0; i < 410_000; i++) levels.count(`u${i}`, i >= 400_000 ? 1 : 0);
  assert.deepEqual(levels.take()[0]?.unit, { trials: 400_000, hits: 0 });
  assert.equal(levels.isFull, true);
  levels.forget();
  levels.count('u405000', 1);
  assert.deepEqual(levels.take()[0]?.unit, { trials: 1, hits: 1 });
});

const heardOnes = fc.array(
  fc.record<Heard>({
    id: fc.constant('r'),
    unit: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
    attempt: fc.constantFrom(1, 1, 1, 2),
    serverClass: fc.constantFrom('cpu', 'gpu'),
    class: fc.constantFrom('ok', 'ok', 'model_fault', 'client_fault', 'shed', 'client_left'),
    fault: fc.constantFrom(undefined, 'deadline', 'broken'),
    latencyMs: fc.constantFrom(1, 50, 150, 300, 5000),
  }),
  { maxLength: 40 },
);

test('(g) the outcomes and the later attempts together are all that was heard, and every tick is sound', () => {
  fc.assert(
    fc.property(fc.array(heardOnes, { maxLength: 4 }), (ticks) => {
      const counter = new Counter(LIMITS);
      const tallies = ticks.map((heard) => {
        for (const one of heard) counter.count(one);
        return counter.take();
      });
      assert.ok(tallies.every(isSound));
      const sum = tallies.reduce(addTallies, emptyTally());
      const { ok, model_fault, client_fault, shed, client_left } = sum.outcomes;
      const heard = ticks.flat().length;
      assert.equal(ok + model_fault + client_fault + shed + client_left + sum.repeats, heard);
      assert.ok(sum.errors.counted.trials <= ok + model_fault);
      assert.ok(sum.errors.counted.hits <= model_fault);
    }),
    { numRuns: 10_000 },
  );
});

test('tallies of several gateways add up in any order, but slow answers only where the edges are the same', () => {
  const of = (edges: Limits['edges'], ...heard: Heard[]): Tally => {
    const counter = new Counter({ ...LIMITS, edges });
    for (const one of heard) counter.count(one);
    return counter.take();
  };
  const [a, b] = [of(LIMITS.edges, answered('a', 300), failed('b')), of(LIMITS.edges, answered('c', 150))];
  const other = of({ cpu: [5, 7], gpu: [] }, answered('d', 300));
  const { examples: _, ...sum } = addTallies(a, b);
  const { examples: __, ...swapped } = addTallies(b, a);
  assert.deepEqual(sum, swapped);
  assert.deepEqual(sum.slow.cpu.signals[0]?.unit, { trials: 2, hits: 2 });
  assert.deepEqual(sum.slow.cpu.signals[1]?.unit, { trials: 2, hits: 1 });
  assert.deepEqual(addTallies(a, other).slow.cpu, a.slow.cpu);
  assert.equal(addTallies(a, other).outcomes.ok, 2);
});

function answered(unit: string | undefined, latencyMs = 30): Heard {
  return { id: unit ?? 'r', unit, attempt: 1, serverClass: 'cpu', class: 'ok', fault: undefined, latencyMs };
}

function failed(unit: string | undefined): Heard {
  return { ...answered(unit), class: 'model_fault' };
}
