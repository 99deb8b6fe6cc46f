// What this gateway counts for its rollouts while others move theirs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rollouts } from '../../../gateway/conduct/rollouts.ts';
import { newRollout, type Phase, type RolloutState } from '../../../gateway/judge/rollout/state.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
import { at } from '../judge/setup.ts';

const model = (name: string) => `  ${name}:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    rollout: { id: ${name}-r, candidate: v2, unit: random, steps: [10% for 1h, 50%], rollback: {} }
`;
const POLICY = parsePolicy(textWith('unit: random'), 'p');

function state(name: string, phase: Phase, epoch: number): RolloutState {
  return { ...newRollout(`${name}-r`, name, 'v2', 'v1'), phase, epoch, startedAt: at(0) };
}

/** A gateway whose rollouts are both in their first step. */
function begun(): Rollouts {
  const rollouts = new Rollouts(POLICY);
  rollouts.trust();
  rollouts.learn([state('m', { name: 'step', step: 0 }, 1), state('n', { name: 'step', step: 0 }, 1)], [], at(0));
  rollouts.take(1000);
  return rollouts;
}

/** An answer of the candidate of `m` to a request that was sorted as `view` has it. */
function count(rollouts: Rollouts, view: number): void {
  const answer = { firstClass: 'ok', latencyMs: 5, isWarm: true } as const;
  const sorted = { rollout: 'm-r', unit: undefined, unitId: undefined, view };
  rollouts.count('m', sorted, { id: 'x', body: Buffer.alloc(0) }, answer as never);
}

function viewOf(rollouts: Rollouts): number {
  const served = rollouts.models.get('m');
  assert.ok(served?.kind === 'served');
  return served.stamp;
}

function counted(rollouts: Rollouts): number | undefined {
  const seen = rollouts.take(2000).find(({ state: { id } }) => id === 'm-r');
  return seen?.traffic.candidate.judged.trials;
}

test('what was counted goes on while another model moves, and so do requests that are on their way', () => {
  const rollouts = begun();
  const view = viewOf(rollouts);
  count(rollouts, view);
  rollouts.learn([state('n', { name: 'step', step: 1 }, 2)], [], at(1));
  rollouts.noteFailed('n-r', 'it cannot be judged');
  count(rollouts, view);
  assert.equal(counted(rollouts), 2);
});

test('a share that changed begins anew, and requests that were sorted before say nothing of it', () => {
  const rollouts = begun();
  const view = viewOf(rollouts);
  count(rollouts, view);
  rollouts.learn([state('m', { name: 'step', step: 1 }, 2)], [], at(1));
  count(rollouts, view);
  assert.equal(counted(rollouts), 0);
  count(rollouts, viewOf(rollouts));
  assert.equal(counted(rollouts), 1);
});

test('a reload that sorts no one anew keeps what was counted, and one with another unit does not', () => {
  const rollouts = begun();
  const view = viewOf(rollouts);
  count(rollouts, view);
  rollouts.follow(parsePolicy(textWith('unit: random'), 'p'));
  assert.equal(counted(rollouts), 1);
  count(rollouts, view);
  rollouts.follow(parsePolicy(textWith('unit: header u'), 'p'));
  assert.equal(counted(rollouts), 0);
});

function textWith(unit: string): string {
  const models = `${model('m')}${model('n')}`.replaceAll('unit: random', unit);
  return `apiVersion: sluice/v1\nfleet: { s: { url: "http://127.0.0.1:9" } }\nmodels:\n${models}`;
}
