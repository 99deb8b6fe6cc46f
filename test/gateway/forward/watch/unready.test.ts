import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fleet } from '../../../../gateway/forward/fleet/fleet.ts';
import { UnreadyVersions } from '../../../../gateway/forward/watch/unready.ts';
import { parsePolicy } from '../../../../gateway/policy/load/load.ts';
import type { ServedModel, Version } from '../../../../gateway/policy/policy.ts';
import { undo } from '../../../support/undo.ts';

const NAMES = Array.from({ length: 300 }, (_, i) => `c${i}`);

/** A candidate at 300 servers that are not ready, and how often it was asked what one of them said. */
function unreadyFleet(t: Parameters<typeof undo>[0]) {
  const policy = parsePolicy(
    `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" }, ${NAMES.map((name, i) => `${name}: { url: "http://127.0.0.1:${10 + i}" }`).join(', ')} }
models:
  m: { timeout: 1s, versions: { v1: { servers: [s] }, v2: { servers: [${NAMES}] } }, baseline: v1, rollout: { id: r, candidate: v2, unit: random, steps: [1%] } }
`,
    'policy.yaml',
  );
  const fleet = new Fleet(policy);
  const unready = new UnreadyVersions(fleet, policy, () => {});
  undo(t, async () => {
    unready.close();
    await fleet.destroy();
  });
  const read = { times: 0 };
  const { versions } = policy.models.get('m') as ServedModel;
  for (const seat of fleet.placementOf(versions.get('v2') as Version).seats) {
    seat.noteReady(false, performance.now());
    Object.defineProperty(seat, 'refusal', {
      get: () => {
        read.times++;
        return '503: loading';
      },
    });
  }
  return { unready, read };
}

test('a scrape learns which versions are ready, and words are found for none of their servers', (t) => {
  const { unready, read } = unreadyFleet(t);
  assert.deepEqual(
    [...unready.readings()],
    [
      { model: 'm', version: 'v1', role: 'baseline', isReady: true },
      { model: 'm', version: 'v2', role: 'candidate', isReady: false },
    ],
  );
  assert.equal(read.times, 0);
});

test('where it is shown why a version is not ready, words are found for four of its servers, and the others are counted', (t) => {
  const { unready, read } = unreadyFleet(t);
  const said = [0, 1, 2, 3].map((i) => `c${i} says that it is not ready (503: loading)`).join('; ');
  const { since, sentence } = unready.of('m', 'v2') ?? { since: '', sentence: '' };
  assert.equal(sentence, `candidate v2 of m has no ready server since ${since}: ${said}; and 296 more`);
  assert.equal(read.times, 4);
  assert.equal(unready.of('m', 'v1'), undefined);
});
