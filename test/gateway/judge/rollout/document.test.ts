import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { documentOf, FORMAT, type Read, readDocument } from '../../../../gateway/judge/rollout/document.ts';
import { newRollout, type Phase, type RolloutState, type Suspension } from '../../../../gateway/judge/rollout/state.ts';
import { at, Driven, FAILING, GUARDED, HEALTHY, rolloutWith } from '../setup.ts';

const SUSPENSION: Suspension = {
  from: { name: 'promoted', guardLeftMs: 500, isNamed: false },
  guard: 'servers',
  sentence: 'the servers of v2 do not answer',
  rate: 0.75,
  grewMs: 2000,
  units: 7,
  failedProbes: 3,
  crashes: 2,
  isNobodyElse: true,
  since: '2026-01-01T00:00:00.000Z',
};
const ROLLBACK = {
  at: at(0),
  by: { kind: 'person', name: 'ada' },
  guard: undefined,
  sentence: '',
  readings: [],
  examples: ['r-1'],
} as const;

const PHASES: readonly Phase[] = [
  { name: 'pending' },
  { name: 'step', step: 3 },
  ...(['paused', 'frozen', 'inconclusive', 'cannot_tell', 'no_room'] as const).map(
    (why): Phase => ({ name: 'holding', step: 1, why }),
  ),
  { name: 'awaiting_approval', step: 0 },
  { name: 'promoted', guardLeftMs: -20, isNamed: true },
  { name: 'suspended', suspension: SUSPENSION, isHeld: true, because: 'why' },
  {
    name: 'suspended',
    suspension: { ...SUSPENSION, from: { name: 'holding', step: 1, why: 'paused' } },
    isHeld: false,
    because: 'v2 failed',
    hasGivenUp: false,
  },
  { name: 'probing', suspension: SUSPENSION, isOwnBlock: true },
  { name: 'rolled_back', rollback: ROLLBACK },
];

/** A state with evidence of all kinds: it was driven until it was suspended, and probed. */
const DRIVEN = new Driven(rolloutWith(`steps: [5% for 1h], ${GUARDED}`))
  .run(70, HEALTHY)
  .run(10, FAILING)
  .run(40, HEALTHY).state;

function sent(state: RolloutState): Read {
  return readDocument(JSON.parse(JSON.stringify(documentOf(state))));
}

function stateIn(read: Read): RolloutState {
  assert.ok('state' in read, JSON.stringify(read));
  return read.state;
}

for (const phase of PHASES) {
  test(`a state that is ${JSON.stringify(phase).slice(0, 60)} comes back as it was`, () => {
    const state = { ...DRIVEN, phase, salt: 'm.r.canary', acquittals: 2, excusedUnits: 5, probes: 3 };
    assert.equal(JSON.stringify(sorted(stateIn(sent(state)))), JSON.stringify(sorted(state)));
  });
}

test('a state that goes to the store and back goes on as if it never had', () => {
  const keys = `steps: [5% for 1h], ${GUARDED}`;
  const [here, there] = [new Driven(rolloutWith(keys)), new Driven(rolloutWith(keys))];
  for (const seen of [HEALTHY, HEALTHY, FAILING, HEALTHY]) {
    for (let i = 0; i < 20; i++) {
      here.run(1, seen);
      there.state = stateIn(sent(there.run(1, seen).state));
      assert.equal(JSON.stringify(sorted(there.state)), JSON.stringify(sorted(here.state)));
    }
  }
  assert.ok(here.actions.some(({ event }) => event === 'suspend'));
});

const OLD_PHASES = [
  { name: 'pending' },
  { name: 'step', step: 1 },
  { name: 'holding', step: 0, why: 'paused' },
  { name: 'awaiting_approval', step: 0 },
  { name: 'promoted', guardLeftMs: 60_000, isNamed: false },
  {
    name: 'rolled_back',
    rollback: { at: at(0), by: { kind: 'judge' }, guard: 'error_rate', sentence: 's', readings: [], examples: [] },
  },
] as const;

for (const phase of OLD_PHASES) {
  test(`a document of the first format that is ${phase.name} goes on with its callers and fresh evidence`, () => {
    const document = {
      id: 'r',
      epoch: 4,
      model: 'digits',
      candidate: 'v2',
      baseline: 'v1',
      phase,
      startedAt: at(0),
      bakedMs: 1000,
      totalMs: 2000,
      requests: 30,
      edges: {},
      evidence: {},
      verdict: null,
      said: undefined,
    };
    const state = stateIn(readDocument(JSON.parse(JSON.stringify(document))));
    assert.deepEqual(state.phase, phase);
    const { salt, epoch, bakedMs, totalMs, requests, startedAt } = state;
    assert.deepEqual(
      { salt, epoch, bakedMs, totalMs, requests, startedAt },
      { salt: 'digits.canary', epoch: 4, bakedMs: 1000, totalMs: 2000, requests: 30, startedAt: at(0) },
    );
    assert.deepEqual(state.evidence, newRollout('r', 'digits', 'v2', 'v1').evidence);
    stateIn(sent(state));
  });
}

test('a gateway of the first format reads a suspension as held by a person in a step that has no callers', () => {
  for (const phase of PHASES) {
    const document = JSON.parse(JSON.stringify(documentOf({ ...DRIVEN, phase })));
    const isAway = phase.name === 'suspended' || phase.name === 'probing';
    assert.deepEqual(
      document.phase,
      isAway ? { name: 'holding', step: -1, why: 'paused' } : JSON.parse(JSON.stringify(phase)),
    );
    // What that gateway reads of a document without checking it.
    const { evidence, edges, id, epoch, model } = document;
    assert.deepEqual([id, epoch, model], ['r', DRIVEN.epoch, 'digits']);
    assert.deepEqual(
      [evidence.errors.detector.values, evidence.slow.detector.ticks, evidence.baseline.recent.silent],
      [[], 0, 5],
    );
    assert.deepEqual([edges.cpu, edges.gpu, evidence.breaker], [[], [], 'closed']);
  }
});

test('a text of megabytes that an earlier release kept is cut when it is read', () => {
  const by = { kind: 'alert', fingerprint: 'f'.repeat(5_000_000) } as const;
  const rollback = { ...ROLLBACK, by, sentence: `alert ${'a'.repeat(5_000_000)} fires` };
  const read = readDocument(documentOf({ ...DRIVEN, phase: { name: 'rolled_back', rollback } }));
  assert.ok('state' in read);
  assert.ok(JSON.stringify(documentOf(read.state)).length < 50_000);
  assert.match(JSON.stringify(read.state.phase), /"name":"rolled_back".*"sentence":"alert aaa/);
});

const BROKEN = [
  ['nothing', null, /document/],
  ['a list', [], /document|id/],
  ['text', 'state', /document/],
  ['an object without anything', {}, /^id/],
  ['an id of another kind', { id: 5, epoch: 1 }, /^id/],
  ['an epoch that is no whole number', { id: 'r', epoch: 1.5, format: FORMAT }, /^epoch/],
  ['no state', { id: 'r', epoch: 1, format: FORMAT }, /^document/],
  [
    'a format of a later release',
    { ...documentOf(DRIVEN), format: 3 },
    /^format 3 was written by another release; this one reads up to 2$/,
  ],
  ['a later epoch inside', { ...documentOf(DRIVEN), epoch: 0 }, /^it says epoch 0 outside and \d+ inside$/],
  ['evidence that is empty', changed({ evidence: {} }), /^evidence\./],
  ['a phase that is unknown', changed({ phase: { name: 'resting' } }), /^phase\.name/],
  ['a step before the first', changed({ phase: { name: 'step', step: -1 } }), /^phase\.step/],
  [
    'a suspension without its origin',
    changed({ phase: { name: 'suspended', isHeld: false, suspension: {} } }),
    /^phase\.suspension\.from/,
  ],
  ['a number that JSON could not say', changed({ bakedMs: null }), /^bakedMs/],
  [
    'a first format whose phase is unknown',
    { id: 'r', epoch: 1, model: 'm', candidate: 'a', baseline: 'b', phase: { name: 'x' } },
    /^phase/,
  ],
] as const;

for (const [what, document, wanted] of BROKEN) {
  test(`a document with ${what} is unreadable, and says where`, () => {
    const read = readDocument(document);
    assert.ok('unreadable' in read);
    assert.match(read.unreadable, wanted);
  });
}

function changed(parts: object) {
  const document = documentOf(DRIVEN);
  return { ...document, state: { ...(document.state as object), ...parts } };
}

/** Places in a document, as keys from the outside in. */
function placesIn(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, part]) => placesIn(part, [...path, key]))];
}

function withAt(value: unknown, [key, ...rest]: readonly string[], part: unknown): unknown {
  if (key === undefined) return part;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  if (rest.length === 0 && part === undefined) delete copy[key];
  else copy[key] = withAt(copy[key], rest, part);
  return copy;
}

test('a document that was damaged anywhere never throws: it is a state that can be judged, or unreadable with a reason', () => {
  const valid = JSON.parse(JSON.stringify(documentOf(DRIVEN)));
  const places = placesIn(valid).filter((path) => path.length > 0 && path[0] !== 'evidence');
  const junk = fc.oneof(
    fc.constantFrom(undefined, null, -1, 1e308, '', 'x', true, [], {}, [null], { name: 'step' }, '__proto__'),
    fc.jsonValue(),
  );
  let unreadable = 0;
  fc.assert(
    fc.property(fc.constantFrom(...places), junk, (place, part) => {
      const read = readDocument(withAt(valid, place, part));
      if ('state' in read) {
        assert.equal(JSON.stringify(sorted(stateIn(sent(read.state)))), JSON.stringify(sorted(read.state)));
        const driven = new Driven(rolloutWith(`steps: [5% for 1h], ${GUARDED}`));
        driven.state = read.state;
        stateIn(sent(driven.run(3, FAILING).state));
        return;
      }
      unreadable++;
      assert.ok(read.unreadable.length > 3 && typeof read.id === 'string' && typeof read.epoch === 'number');
    }),
    { numRuns: 3000 },
  );
  assert.ok(unreadable > 1000, `${unreadable}`);
});

/** The same with its keys in order: what JSON says of it, whoever wrote it. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, part]) => [key, sorted(part)]));
}
