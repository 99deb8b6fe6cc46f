import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../../gateway/decide/decide.ts';
import type { Model } from '../../../gateway/policy/policy.ts';
import { chiSquare, counted, digits, randomFrom, request, versionIn } from './setup.ts';

const USERS = 100_000;
/** The 99.9 % points of chi-square with 1 and 9 degrees of freedom. */
const LIMIT_1 = 10.83;
const LIMIT_9 = 27.88;

const EXPERIMENT = (arms: string, more = '') =>
  `experiment: { id: exp-7, unit: header x-user-id, arms: ${arms}${more} }`;
const ROLLOUT = (share: string, more = '') =>
  `rollout: { id: digits-v3, candidate: v3, unit: header x-user-id, steps: [${share}]${more} }`;

const user = (i: number) => request({ 'x-user-id': `user-${i}` });
const arm = (model: Model, i: number) => versionIn(decide(model, user(i), 0));

test('each arm gets its share of 100,000 callers, within 4 standard errors, and the others get the baseline', () => {
  const model = digits(EXPERIMENT('{ v2: 10%, v3: 25.5% }'));
  const counts = { v1: 0, v2: 0, v3: 0 };
  for (let i = 0; i < USERS; i++) counts[arm(model, i) as keyof typeof counts]++;
  for (const [version, share] of [
    ['v1', 0.645],
    ['v2', 0.1],
    ['v3', 0.255],
  ] as const) {
    const error = Math.sqrt((share * (1 - share)) / USERS);
    assert.ok(Math.abs(counts[version] / USERS - share) < 4 * error, `${version}: ${counts[version]}`);
  }
});

test('the baseline may be an arm, and what the arms leave over is the baseline all the same', () => {
  const model = digits(EXPERIMENT('{ v1: 50%, v2: 50% }'));
  const decisions = Array.from({ length: 1000 }, (_, i) => decide(model, user(i), 0));
  assert.ok(decisions.every(({ why }) => why === 'experiment exp-7'));
  assert.equal(decide(digits(EXPERIMENT('{ v2: 0.0001% }')), user(1), 0).why, 'baseline');
});

/** An experiment before and after, of which each caller may only move from the baseline to the arm that grows. */
const GROWTHS: readonly (readonly [string, string, string, string])[] = [
  [
    'the first arm within its reserve',
    '{ v2: { share: 5%, up_to: 40% }, v3: 20% }',
    '{ v2: { share: 25%, up_to: 40% }, v3: 20% }',
    'v2',
  ],
  [
    'the second arm within its reserve',
    '{ v2: 20%, v3: { share: 5%, up_to: 40% } }',
    '{ v2: 20%, v3: { share: 25%, up_to: 40% } }',
    'v3',
  ],
  ['the last arm without a reserve', '{ v2: 20%, v3: 5% }', '{ v2: 20%, v3: 25% }', 'v3'],
  [
    'an arm from nothing',
    '{ v2: { share: 0%, up_to: 20% }, v3: 5% }',
    '{ v2: { share: 20%, up_to: 20% }, v3: 5% }',
    'v2',
  ],
];

for (const [what, before, after, grown] of GROWTHS) {
  test(`when ${what} grows, 0 of ${USERS} callers move back or across`, () => {
    const [was, is] = [digits(EXPERIMENT(before)), digits(EXPERIMENT(after))];
    let joined = 0;
    for (let i = 0; i < USERS; i++) {
      const [from, to] = [arm(was, i), arm(is, i)];
      if (from === to) continue;
      assert.deepEqual([from, to], ['v1', grown], `user-${i}`);
      joined++;
    }
    assert.ok(Math.abs(joined / USERS - 0.2) < 0.006, `${joined} joined`);
  });
}

test('a holdout keeps its share on the baseline, evenly from all arms, and says so', () => {
  const [without, held] = [
    digits(EXPERIMENT('{ v2: 30%, v3: 30% }')),
    digits(EXPERIMENT('{ v2: 30%, v3: 30% }', ', holdout: 10%')),
  ];
  const pairs: [number, number][] = [];
  for (let i = 0; i < USERS; i++) {
    const decision = decide(held, user(i), 0);
    const isHeld = decision.why === 'holdout of exp-7';
    assert.equal(versionIn(decision), isHeld ? 'v1' : arm(without, i));
    pairs.push([isHeld ? 1 : 0, ['v1', 'v2', 'v3'].indexOf(arm(without, i))]);
  }
  const share = pairs.filter(([isHeld]) => isHeld === 1).length / USERS;
  assert.ok(Math.abs(share - 0.1) < 0.004, `${share} held out`);
  const table = counted(pairs, 3).slice(0, 2);
  assert.ok(chiSquare(table) < 13.82, `chi-square ${chiSquare(table)} with 2 degrees of freedom`);
});

test('a holdout that grows takes callers from arms to the baseline alone, and lets no one in', () => {
  const was = digits(EXPERIMENT('{ v2: 50%, v3: 50% }', ', holdout: 5%'));
  const is = digits(EXPERIMENT('{ v2: 50%, v3: 50% }', ', holdout: 20%'));
  for (let i = 0; i < 20_000; i++) {
    const [from, to] = [arm(was, i), arm(is, i)];
    if (from !== to) assert.equal(to, 'v1', `user-${i} moved from ${from} to ${to}`);
  }
});

test('whoever is in no arm takes part in the rollout, and the two are independent', () => {
  const both = digits(EXPERIMENT('{ v2: 50% }'), ROLLOUT('50%'));
  const alone = digits(ROLLOUT('50%'));
  const pairs: [number, number][] = [];
  for (let i = 0; i < USERS; i++) {
    const inArm = arm(both, i) === 'v2';
    if (!inArm) assert.equal(arm(both, i), arm(alone, i));
    pairs.push([inArm ? 1 : 0, arm(alone, i) === 'v3' ? 1 : 0]);
  }
  assert.ok(chiSquare(counted(pairs, 2)) < LIMIT_1, `chi-square ${chiSquare(counted(pairs, 2))}`);
});

test('two experiments on the same callers are independent, and one with the salt of the other is the same', () => {
  const first = digits(EXPERIMENT('{ v2: 50% }'));
  const second = digits('experiment: { id: exp-8, unit: header x-user-id, arms: { v2: 50% } }');
  const copy = digits('experiment: { id: exp-9, unit: header x-user-id, salt: exp-7.ab, arms: { v2: 50% } }');
  const pairs = Array.from({ length: USERS }, (_, i) => {
    assert.equal(arm(first, i), arm(copy, i));
    return [arm(first, i) === 'v2' ? 1 : 0, arm(second, i) === 'v2' ? 1 : 0] as const;
  });
  assert.ok(chiSquare(counted(pairs, 2)) < LIMIT_1, `chi-square ${chiSquare(counted(pairs, 2))}`);
});

/** without_unit, the header, what is decided for each of these draws; of the keys user-7 is in the arm. */
const WITHOUT_UNIT: readonly (readonly [string, string | undefined, readonly [number, string][]])[] = [
  [
    '',
    undefined,
    [
      [0.000_000_05, 'v2'],
      [0.000_000_95, 'v1'],
      [0.999_999_2, 'v2'],
      [0.999_999_7, 'v1'],
    ],
  ],
  [
    '',
    '',
    [
      [0.000_000_05, 'v2'],
      [0.000_000_95, 'v1'],
    ],
  ],
  [', without_unit: reject', undefined, [[0, 'no_unit']]],
  [', without_unit: reject', '', [[0, 'no_unit']]],
  [
    ', salt: digits.canary, without_unit: { key: user-7 }',
    undefined,
    [
      [0, 'v2'],
      [0.999, 'v2'],
    ],
  ],
  [
    ', salt: digits.canary, without_unit: { key: user-1 }',
    undefined,
    [
      [0, 'v1'],
      [0.999, 'v1'],
    ],
  ],
];

test('a request without the unit is handled by the experiment as the policy says', () => {
  for (const [more, header, draws] of WITHOUT_UNIT) {
    const model = digits(EXPERIMENT('{ v2: 50% }', more));
    for (const [random, expected] of draws)
      assert.equal(
        versionIn(decide(model, request(header === undefined ? {} : { 'x-user-id': header }), random)),
        expected,
        `${more} ${header} ${random}`,
      );
  }
});

test('a request without the unit draws for holdout, arm and rollout independently of one another', () => {
  const next = randomFrom(7);
  const draws = Array.from({ length: USERS }, next);
  const of = (model: Model, why: string) =>
    draws.map((random) => (decide(model, request({}), random).why === why ? 1 : 0));
  const arms = of(digits(EXPERIMENT('{ v2: 50% }')), 'experiment exp-7');
  const rollouts = of(digits(ROLLOUT('50%')), 'rollout digits-v3');
  const held = of(digits(EXPERIMENT('{ v2: 50% }', ', holdout: 50%')), 'holdout of exp-7');
  for (const [a, b] of [
    [arms, rollouts],
    [arms, held],
    [rollouts, held],
  ] as const) {
    const statistic = chiSquare(
      counted(
        a.map((value, i) => [value, b[i] ?? 0] as const),
        2,
      ),
    );
    assert.ok(statistic < LIMIT_1, `chi-square ${statistic}`);
  }
});

test('what is drawn at random is uniform: ten arms of 10 % of 100,000 draws', () => {
  const next = randomFrom(11);
  const slots = new Array<number>(10).fill(0);
  const models = Array.from({ length: 9 }, (_, i) => digits(EXPERIMENT(`{ v2: ${(i + 1) * 10}% }`)));
  for (let n = 0; n < USERS; n++) {
    const random = next();
    const bin = models.findIndex((model) => versionIn(decide(model, request({}), random)) === 'v2');
    slots[bin === -1 ? 9 : bin] = (slots[bin === -1 ? 9 : bin] ?? 0) + 1;
  }
  const statistic = slots.reduce((sum, count) => sum + (count - USERS / 10) ** 2 / (USERS / 10), 0);
  assert.ok(statistic < LIMIT_9, `chi-square ${statistic}`);
});

/** A unit in the body, the body, what is decided; user-7 is in [0, 10 %) under digits.canary and user-1 is not. */
const BODIES: readonly (readonly [string, unknown, string])[] = [
  ['body parameters.user', { parameters: { user: 'user-7' } }, 'v3'],
  ['body parameters.user', { parameters: { user: 'user-1' } }, 'v1'],
  ['body users.0.id', { users: [{ id: 'user-7' }] }, 'v3'],
  ['body user', { user: '' }, 'no_unit'],
  ['body user', { user: null }, 'no_unit'],
  ['body user', { user: true }, 'no_unit'],
  ['body user', { user: ['user-7'] }, 'no_unit'],
  ['body user', { user: { toString: 'user-7' } }, 'no_unit'],
  ['body user', {}, 'no_unit'],
  ['body user', Buffer.from('{"user": 1e400}'), 'no_unit'],
  ['body user', Buffer.from('{"user": NaN}'), 'no_unit'],
  ['body user', Buffer.from('not json'), 'no_unit'],
  ['body user', Buffer.from('{"user": "user-7", "x": NaN}'), 'v3'],
  ['body __proto__', {}, 'no_unit'],
  ['body constructor.name', {}, 'no_unit'],
  ['body toString', {}, 'no_unit'],
  ['body __proto__', Buffer.from('{"__proto__": "user-7"}'), 'v3'],
];

test('a unit in the body sorts by the text or number that stands there', () => {
  for (const [unit, body, expected] of BODIES) {
    const model = digits(
      `rollout: { id: digits-v3, candidate: v3, unit: ${unit}, salt: digits.canary, without_unit: reject, steps: [10%] }`,
    );
    assert.equal(versionIn(decide(model, request({}, body), 0)), expected, `${unit} in ${JSON.stringify(body)}`);
  }
});

test('a number in the body sorts like the same number in a header', () => {
  const inBody = digits('rollout: { id: digits-v3, candidate: v3, unit: body user, steps: [50%] }');
  const inHeader = digits('rollout: { id: digits-v3, candidate: v3, unit: header user, steps: [50%] }');
  for (let i = 0; i < 1000; i++)
    assert.equal(
      versionIn(decide(inBody, request({}, { user: i }), 0)),
      versionIn(decide(inHeader, request({ user: `${i}` }), 0)),
    );
});

test('a look at the model takes no part in an experiment', () => {
  const model = digits(EXPERIMENT('{ v2: 100% }', ', without_unit: reject'));
  for (const call of ['metadata', 'ready'] as const)
    assert.equal(versionIn(decide(model, request({}, undefined, { call }), 0)), 'v1');
});
