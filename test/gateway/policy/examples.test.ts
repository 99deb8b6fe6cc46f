// The examples are what a newcomer copies: each is good, and does what its comments say.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decide } from '../../../gateway/decide/decide.ts';
import type { Decision, Facts } from '../../../gateway/flow.ts';
import { loadPolicy } from '../../../gateway/policy/load/load.ts';
import { pathOf } from '../../../gateway/policy/paths.ts';
import type { ServedModel } from '../../../gateway/policy/policy.ts';
import { request } from '../decide/setup.ts';

const EXAMPLES = readdirSync('config/examples');

test('there is an example for each part of the language', () => {
  assert.deepEqual(EXAMPLES.sort(), [
    'canary.yaml',
    'cascade.yaml',
    'experiment.yaml',
    'pins.yaml',
    'protocols-and-fleet.yaml',
    'shadow.yaml',
    'tiers.yaml',
    'two-candidates.yaml',
  ]);
});

for (const file of EXAMPLES) {
  test(`${file} is good`, () => {
    loadPolicy(`config/examples/${file}`);
  });

  test(`${file} is short, names its schema for editors, and says in its second line what it shows`, () => {
    const lines = readFileSync(`config/examples/${file}`, 'utf8').trimEnd().split('\n');
    assert.equal(lines[0], '# yaml-language-server: $schema=../policy.schema.json');
    assert.match(lines[1] ?? '', /^# [A-Z].*: .*\.$|^# [A-Z].*\.$/);
    assert.ok(lines.length >= 15 && lines.length <= 40, `${lines.length} lines`);
    for (const line of lines) assert.ok(line.length <= 130, line);
  });
}

test('canary.yaml starts with 1 % of the users, and keeps each on one version', () => {
  assert.deepEqual(blocks('canary.yaml', 'digits'), { v2: [0, 10_000] });
  assert.equal(versionOf('canary.yaml', 'digits', 'user-7'), 'v1');
  const users = Array.from({ length: 20_000 }, (_, i) => versionOf('canary.yaml', 'digits', `user-${i}`));
  const share = users.filter((version) => version === 'v2').length / users.length;
  assert.ok(Math.abs(share - 0.01) < 0.003, `${share}`);
});

test('two-candidates.yaml gives [0 %, 5 %) to v2 and [50 %, 55 %) to v3', () => {
  assert.deepEqual(blocks('two-candidates.yaml', 'digits'), { v2: [0, 50_000], v3: [500_000, 550_000] });
  // user-7 is in slot 44,444 of digits.canary and user-1 in slot 610,575.
  assert.equal(versionOf('two-candidates.yaml', 'digits', 'user-7'), 'v2');
  assert.equal(versionOf('two-candidates.yaml', 'digits', 'user-1'), 'v1');
});

test('experiment.yaml holds 5 % out, gives each arm a fifth of the others, and rejects who has no session', () => {
  const sessions = Array.from({ length: 20_000 }, (_, i) =>
    ask('experiment.yaml', 'ranker', {}, { parameters: { session: `s-${i}` } }),
  );
  const share = (wanted: (decision: Decision) => boolean) => sessions.filter(wanted).length / sessions.length;
  const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 0.012, `${actual}`);
  near(
    share(({ why }) => why === 'holdout of ranker-2026-spring'),
    0.05,
  );
  for (const arm of ['boosted', 'neural'])
    near(
      share((is) => is.kind === 'serve' && is.version === arm),
      0.95 * 0.2,
    );
  near(
    share((is) => is.kind === 'serve' && is.version === 'linear'),
    0.05 + 0.95 * 0.6,
  );
  assert.deepEqual(ask('experiment.yaml', 'ranker', {}, {}), {
    kind: 'refuse',
    refusal: 'no_unit',
    why: 'experiment ranker-2026-spring',
    missed: { unit: 'absent' },
  });
});

test('tiers.yaml is the usual example, and sends what it cannot judge to balanced', () => {
  const tier = (headers: Facts['headers'], body: unknown) => {
    const decision = ask('tiers.yaml', 'spam', headers, body);
    return decision.kind === 'serve' ? decision.tier : decision.refusal;
  };
  const sent = (text: string, confidence_threshold?: number) => ({
    inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: [text] }],
    confidence_threshold,
  });
  assert.equal(tier({ 'x-customer-tier': 'enterprise' }, sent('hi', 0.5)), 'accurate');
  assert.equal(tier({}, sent('buy now', 0.5)), 'fast');
  assert.equal(tier({}, sent('buy now', 0.9)), 'balanced');
  assert.equal(tier({}, sent('buy now')), 'balanced');
  assert.equal(tier({}, sent('x'.repeat(50), 0.5)), 'balanced');
  assert.equal(tier({}, sent(`${'x '.repeat(600)}${'7'.repeat(800)}`, 0.5)), 'accurate'); // (2 * 1 + 1 * 1) / 3
  assert.equal(tier({}, Buffer.from('garbage')), 'balanced');
});

test('pins.yaml lets the teams it names choose a version, everyone one of the internal model, and no one else', () => {
  const pin = (model: string, pinned: string, headers: Facts['headers'] = {}) => {
    const decision = ask('pins.yaml', model, headers, undefined, pinned);
    return decision.kind === 'serve' ? decision.version : decision.refusal;
  };
  assert.equal(pin('digits', 'v2', { 'x-team': 'ml', 'x-debug': '' }), 'v2');
  assert.equal(pin('digits', '2', { 'x-team': 'support', 'x-debug': 'yes' }), 'v2');
  assert.equal(pin('digits', 'v2', { 'x-team': 'ml' }), 'pin_not_allowed');
  assert.equal(pin('digits', 'v2', { 'x-team': 'sales', 'x-debug': 'yes' }), 'pin_not_allowed');
  assert.equal(pin('digits-internal', '1'), 'v1');
  assert.equal(pin('digits-public', 'v1'), 'pin_not_allowed');
});

test('protocols-and-fleet.yaml reads as its comments say: caps, paths and deadlines', () => {
  const { fleet, models } = loadPolicy('config/examples/protocols-and-fleet.yaml');
  assert.deepEqual(
    [...fleet.values()].map((server) => [server.name, server.class, server.maxInFlight]),
    [
      ['cpu-a', 'cpu', 128],
      ['cpu-b', 'cpu', 128],
      ['gpu-a', 'gpu', 32],
    ],
  );
  const churn = models.get('churn');
  assert.ok(churn?.kind === 'served');
  assert.equal(pathOf(churn.baseline, 'predict'), '/v1/models/churn_2026/versions/4:predict');
  const embeddings = models.get('embeddings');
  assert.ok(embeddings?.kind === 'served');
  assert.deepEqual(
    [...embeddings.versions.values()].map(({ timeoutMs }) => timeoutMs),
    [400, 200],
  );
});

function ask(file: string, model: string, headers: Facts['headers'], body?: unknown, pin?: string): Decision {
  const found = policyOf(file).get(model);
  assert.ok(found);
  return decide(found, request(headers, body, { pin }), 0.5);
}

function versionOf(file: string, model: string, user: string): string {
  const decision = ask(file, model, { 'x-user-id': user });
  return decision.kind === 'serve' ? decision.version : decision.refusal;
}

/** The live slots of each candidate. */
function blocks(file: string, model: string): Record<string, readonly number[]> {
  const { rollouts } = policyOf(file).get(model) as ServedModel;
  return Object.fromEntries(rollouts.map(({ candidate, live }) => [candidate.label, [live.from, live.to]]));
}

function policyOf(file: string) {
  const loaded = LOADED.get(file) ?? loadPolicy(`config/examples/${file}`).models;
  LOADED.set(file, loaded);
  return loaded;
}

const LOADED = new Map<string, ReturnType<typeof loadPolicy>['models']>();
