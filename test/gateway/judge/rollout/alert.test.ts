import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Alert, heed } from '../../../../gateway/judge/rollout/alert.ts';
import { ledgerOf } from '../../../../gateway/judge/rollout/ledger.ts';
import { newRollout, type Phase, type RolloutState } from '../../../../gateway/judge/rollout/state.ts';
import { at } from '../setup.ts';

const ALERT: Alert = {
  status: 'firing',
  labels: { alertname: 'CandidateFails', model: 'digits', version: 'v2' },
  startsAt: at(100),
  fingerprint: 'f1',
};
const RUNNING = state('r', 'v2', at(50), { name: 'step', step: 0 });

test('an alert for a candidate in its rollout is an order to roll it back', () => {
  const heeded = heed(ALERT, ledgerOf([RUNNING]));
  assert.deepEqual(heeded, {
    id: 'r',
    order: {
      what: 'rollback',
      by: { kind: 'alert', fingerprint: 'f1' },
      at: at(100),
      sentence: 'alert CandidateFails fires for v2 of digits',
    },
  });
});

test('an alert needs no label but model and version, and no other one changes what it does', () => {
  for (const more of [{}, { rollback: 'false' }, { severity: 'ticket' }, { rollout: 'r' }]) {
    const labels = { model: 'digits', version: 'v2', ...more };
    assert.equal(heedId({ ...ALERT, labels }, ledgerOf([RUNNING])), 'r');
  }
});

const IGNORED = [
  ['resolved', { status: 'resolved' }, 'resolved'],
  ['for the baseline', { labels: { model: 'digits', version: 'v1' } }, 'not a candidate'],
  ['for a version that is no candidate', { labels: { model: 'digits', version: 'v3' } }, 'not a candidate'],
  ['for another model', { labels: { model: 'spam', version: 'v2' } }, 'not a candidate'],
  ['for another rollout', { labels: { model: 'digits', version: 'v2', rollout: 'r0' } }, 'not a candidate'],
  ['without labels', { labels: {} }, 'not a candidate'],
  ['older than the rollout', { startsAt: at(49) }, 'from before the rollout'],
  ['of no readable time', { startsAt: 'yesterday' }, 'from before the rollout'],
] as const satisfies readonly (readonly [string, Partial<Alert>, string])[];

for (const [what, changed, ignored] of IGNORED) {
  test(`an alert ${what} is ignored`, () => {
    assert.deepEqual(heed({ ...ALERT, ...changed }, ledgerOf([RUNNING])), { ignored });
  });
}

test('an alert with a start in the future is heeded', () => {
  assert.ok('order' in heed({ ...ALERT, startsAt: at(1e6) }, ledgerOf([RUNNING])));
});

test('a version that had several rollouts is rolled back in the one that the alert is about', () => {
  const earlier = state('r0', 'v2', at(10), { name: 'step', step: 0 });
  const ledger = ledgerOf([RUNNING, earlier]);
  assert.deepEqual(heedId({ ...ALERT, startsAt: at(20) }, ledger), 'r0');
  assert.deepEqual(heedId(ALERT, ledger), 'r');
});

test('before its first step, and after the policy has named it the baseline, a version is no candidate', () => {
  for (const phase of [{ name: 'pending' }, { name: 'promoted', guardLeftMs: 0, isNamed: true }] as const)
    assert.deepEqual(heed(ALERT, ledgerOf([state('r', 'v2', at(50), phase)])), { ignored: 'not a candidate' });
});

const SUSPENSION = {
  from: { name: 'step', step: 0 },
  guard: 'error_rate',
  sentence: '',
  rate: 0,
  grewMs: 0,
  units: 0,
  failedProbes: 0,
  crashes: 0,
  isNobodyElse: false,
  since: '',
} as const;

test('an alert about a candidate that is suspended, probed or held ends its rollout', () => {
  const away: Phase[] = [
    { name: 'suspended', suspension: SUSPENSION, isHeld: false, because: '' },
    { name: 'suspended', suspension: SUSPENSION, isHeld: true, because: '' },
    { name: 'probing', suspension: SUSPENSION, isOwnBlock: false },
  ];
  for (const phase of away) assert.equal(heedId(ALERT, ledgerOf([state('r', 'v2', at(50), phase)])), 'r');
});

test('a promoted version is rolled back by an alert within its guard time, and afterwards an alert changes nothing', () => {
  const promoted = (guardLeftMs: number) =>
    heed(ALERT, ledgerOf([state('r', 'v2', at(50), { name: 'promoted', guardLeftMs, isNamed: false })]));
  assert.ok('order' in promoted(1));
  for (const left of [0, -500]) assert.deepEqual(promoted(left), { ignored: 'after the guard time' });
});

function heedId(alert: Alert, ledger: Parameters<typeof heed>[1]): string | undefined {
  const heeded = heed(alert, ledger);
  return 'id' in heeded ? heeded.id : undefined;
}

function state(id: string, candidate: string, startedAt: string, phase: Phase): RolloutState {
  return { ...newRollout(id, 'digits', candidate, 'v1'), startedAt, phase };
}
