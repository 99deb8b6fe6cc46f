import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Counter } from '../../../../gateway/judge/evidence/counter.ts';
import { sizeOf } from '../../../../gateway/judge/evidence/histogram.ts';
import { failsVersion, type Heard, isTimed } from '../../../../gateway/judge/evidence/outcome.ts';
import {
  addTallies,
  emptyTally,
  GROUPS,
  groupOf,
  isSound,
  type Tally,
} from '../../../../gateway/judge/evidence/tally.ts';
import { unitOfRequest } from '../../../../gateway/judge/evidence/unit.ts';

const NO_BODY = new Uint8Array();

const RULES = [
  ['an answer', { class: 'ok' }, { isError: false, isTimed: true }],
  ['an answer of a server that is not warm yet', { class: 'ok', isWarm: false }, { isError: false, isTimed: false }],
  ['a fault of the model', { class: 'model_fault' }, { isError: true, isTimed: false }],
  ['a broken answer', { class: 'model_fault', fault: 'broken' }, { isError: true, isTimed: false }],
  ['a timeout', { class: 'model_fault', fault: 'deadline' }, { isError: true, isTimed: true }],
  ['a caller who left', { class: 'client_left', fault: 'client_left' }, { isError: undefined, isTimed: true }],
  ['a server that gave no answer', { class: 'server_fault' }, { isError: undefined, isTimed: false }],
  ['a caller who was wrong', { class: 'client_fault' }, { isError: undefined, isTimed: false }],
  ['a request that was shed', { class: 'shed', fault: 'shed' }, { isError: undefined, isTimed: false }],
] as const satisfies readonly (readonly [string, Partial<Heard>, unknown])[];

for (const [what, outcome, said] of RULES) {
  test(`${what} says ${JSON.stringify(said)}`, () => {
    const one = { ...answered(1), ...outcome };
    assert.deepEqual({ isError: failsVersion(one.class), isTimed: isTimed(one) }, said);
  });
}

test('requests are counted by class, and their failures by group of units', () => {
  const counter = new Counter();
  const [ada, bob] = [64 * 5 + 3, 64 * 9 + 7];
  for (const heard of [answered(ada), failed(ada), failed(ada), answered(bob)]) counter.count(heard, NO_BODY);
  const { outcomes, judged, groups, timed } = counter.take();
  assert.deepEqual([outcomes.ok, outcomes.model_fault, judged], [2, 2, { trials: 4, hits: 2 }]);
  assert.deepEqual([groups.requests[groupOf(ada)], groups.failed[groupOf(ada)]], [3, 2]);
  assert.deepEqual([groups.requests[7], groups.failed[7], sum(groups.requests)], [1, 0, 4]);
  assert.deepEqual(timed, { cpu: 2, gpu: 0 });
});

test('a tick begins with nothing of the one before', () => {
  const counter = new Counter();
  counter.count(failed(1), NO_BODY);
  counter.take();
  const { judged, groups, hits, outcomes, examples } = counter.take();
  assert.deepEqual([judged.trials, groups.requests, hits, outcomes.model_fault, examples.errors], [0, [], [], 0, []]);
});

test('only failures and slow answers carry their unit; a failure whose time does not count has none', () => {
  const counter = new Counter();
  counter.slowFrom = { cpu: 100, gpu: 10 };
  for (const [unit, latencyMs] of [
    [1, 100],
    [2, 101],
  ] as const)
    counter.count(answered(unit, latencyMs), NO_BODY);
  counter.count({ ...answered(3, 50), serverClass: 'gpu' }, NO_BODY);
  counter.count({ ...failed(4), latencyMs: 500 }, NO_BODY);
  counter.count({ ...failed(5), fault: 'deadline', latencyMs: 900 }, NO_BODY);
  assert.deepEqual(
    counter.take().hits.map(({ unit, isError, latencyMs, serverClass }) => [unit, isError, latencyMs, serverClass]),
    [
      [2, false, 101, 'cpu'],
      [3, false, 50, 'gpu'],
      [4, true, 0, 'cpu'],
      [5, true, 900, 'cpu'],
    ],
  );
});

test('until the baseline has shown what is slow, no answer is', () => {
  const counter = new Counter();
  counter.count(answered(1, 60_000), NO_BODY);
  const { hits, histograms } = counter.take();
  assert.deepEqual([hits, sizeOf(histograms.cpu), sizeOf(histograms.gpu)], [[], 1, 0]);
});

test('who names no unit and sends the same body again and again is one unit; another body is another', () => {
  const counter = new Counter();
  const [one, other] = [Buffer.from('{"inputs":[1]}'), Buffer.from('{"inputs":[2]}')];
  for (const body of [one, one, other]) counter.count({ ...failed(undefined), id: `${Math.random()}` }, body);
  const units = counter.take().hits.map(({ unit }) => unit);
  assert.equal(new Set(units).size, 2);
});

test('requests without a unit are dealt evenly into the groups', () => {
  const counter = new Counter();
  for (let i = 0; i < 10 * GROUPS; i++) counter.count(answered(undefined), NO_BODY);
  assert.deepEqual(new Set(counter.take().groups.requests), new Set([10]));
});

test('units of requests are whole numbers of 48 bits, spread over the groups', () => {
  const groups = new Array<number>(GROUPS).fill(0);
  for (let i = 0; i < 6400; i++) {
    const unit = unitOfRequest(`r-${i}`, i % 2 === 0 ? NO_BODY : Buffer.from(`{"inputs":[${i}]}`));
    assert.ok(Number.isSafeInteger(unit) && unit >= 0 && unit < 2 ** 48);
    groups[groupOf(unit)] = (groups[groupOf(unit)] ?? 0) + 1;
  }
  const chi2 = groups.reduce((total, count) => total + (count - 100) ** 2 / 100, 0);
  assert.ok(chi2 < 110, `${chi2}`); // 63 degrees of freedom: p = .0002
});

test('a few ids of requests are kept as examples, of failures and of slow answers apart', () => {
  const counter = new Counter();
  counter.slowFrom = { cpu: 100, gpu: 100 };
  for (let i = 0; i < 8; i++) counter.count({ ...failed(i), id: `e${i}` }, NO_BODY);
  counter.count({ ...answered(9, 200), id: 'slow' }, NO_BODY);
  assert.deepEqual(counter.take().examples, { errors: ['e0', 'e1', 'e2', 'e3', 'e4'], slow: ['slow'] });
});

const heardOnes = fc.array(
  fc.record<Heard>({
    id: fc.constant('r'),
    unit: fc.option(fc.nat({ max: 200 }), { nil: undefined }),
    serverClass: fc.constantFrom('cpu', 'gpu'),
    class: fc.constantFrom('ok', 'ok', 'model_fault', 'server_fault', 'client_fault', 'shed', 'client_left'),
    fault: fc.constantFrom(undefined, 'deadline', 'broken'),
    latencyMs: fc.constantFrom(1, 50, 150, 300, 5000),
    isWarm: fc.boolean(),
  }),
  { maxLength: 40 },
);

test('(g) the outcomes together are all that was heard, and every tick is sound', () => {
  fc.assert(
    fc.property(fc.array(heardOnes, { maxLength: 4 }), (ticks) => {
      const counter = new Counter();
      counter.slowFrom = { cpu: 100, gpu: 100 };
      const tallies = ticks.map((heard) => {
        for (const one of heard) counter.count(one, NO_BODY);
        return counter.take();
      });
      assert.ok(tallies.every(isSound));
      const all = tallies.reduce(addTallies, emptyTally());
      const { ok, model_fault } = all.outcomes;
      assert.equal(sum(Object.values(all.outcomes)) + all.repeats, ticks.flat().length);
      assert.deepEqual(all.judged, { trials: ok + model_fault, hits: model_fault });
      assert.equal(sum(all.groups.requests), all.judged.trials);
      assert.equal(sum(all.groups.failed), all.judged.hits);
      assert.equal(all.hits.filter(({ isError }) => isError).length, model_fault);
    }),
    { numRuns: 3000 },
  );
});

test('tallies of several gateways add up in any order', () => {
  const of = (...heard: Heard[]): Tally => {
    const counter = new Counter();
    counter.slowFrom = { cpu: 100, gpu: 100 };
    for (const one of heard) counter.count(one, NO_BODY);
    return counter.take();
  };
  const [a, b] = [of(answered(1, 300), failed(2)), of(answered(3, 150))];
  const inOrder = ({ examples: _, hits, ...rest }: Tally) => ({
    ...rest,
    hits: [...hits].sort((x, y) => x.unit - y.unit),
  });
  assert.deepEqual(inOrder(addTallies(a, b)), inOrder(addTallies(b, a)));
  assert.deepEqual(inOrder(addTallies(a, emptyTally())), inOrder(a));
  assert.deepEqual(
    addTallies(a, b).hits.map(({ unit }) => unit),
    [1, 2, 3],
  );
  assert.equal(sizeOf(addTallies(a, b).histograms.cpu), 2);
});

function answered(unit: number | undefined, latencyMs = 30): Heard {
  return { id: 'r', unit, serverClass: 'cpu', class: 'ok', fault: undefined, latencyMs, isWarm: true };
}

function failed(unit: number | undefined): Heard {
  return { ...answered(unit), class: 'model_fault' };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
