import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chancesOf } from '../../../../gateway/cli/policy/chances.ts';
import { explain } from '../../../../gateway/cli/policy/explain.ts';
import type { Explanation } from '../../../../gateway/cli/policy/explanation.ts';
import { type RequestArguments, requestFrom } from '../../../../gateway/cli/policy/request-arguments.ts';
import { targetOf } from '../../../../gateway/cli/policy/target.ts';
import { parsePolicy } from '../../../../gateway/policy/load/load.ts';
import { digits, fileWith, LADDER, NOTHING, rollout, sluice } from '../sluice.ts';

const NO_PREFIXES = new Map<string, string>();

function explained(policy: string, given: Partial<RequestArguments>, random?: number): Explanation {
  const parsed = parsePolicy(policy, 'p.yaml');
  return explain(parsed, requestFrom({ ...NOTHING, url: 'digits', ...given }, parsed.prefixes), random);
}

const TARGETS: readonly (readonly [string, string, string, string | undefined, string])[] = [
  ['digits', 'infer', 'digits', undefined, 'POST'],
  ['/v2/models/digits/infer', 'infer', 'digits', undefined, 'POST'],
  ['/v2/models/digits/versions/v2/infer', 'infer', 'digits', 'v2', 'POST'],
  ['http://127.0.0.1:8080/v2/models/digits/infer?x=1', 'infer', 'digits', undefined, 'POST'],
  ['v2/models/digits/infer', 'infer', 'digits', undefined, 'POST'],
  ['localhost:8080/v2/models/digits', 'metadata', 'digits', undefined, 'GET'],
  ['/v2/models/digits/versions/v2/ready', 'ready', 'digits', 'v2', 'GET'],
  ['https://gw/v1/models/spam:predict', 'predict', 'spam', undefined, 'POST'],
  ['/v2/models/a%20b/infer', 'infer', 'a b', undefined, 'POST'],
];

for (const [text, call, model, version, method] of TARGETS)
  test(`${text} is ${method} ${call} of ${model}`, () => {
    const target = targetOf(text, NO_PREFIXES);
    assert.deepEqual([target.call, target.model, target.version, target.method], [call, model, version, method]);
  });

test('paths that the gateway does not have are mistakes of one line', () => {
  for (const text of ['/v2/models/digits/train', '/v1/models/digits', '/', 'http://gw', '/v2/models/%ff/infer'])
    assert.throws(() => targetOf(text, NO_PREFIXES), { name: 'Error', message: /^[^\n]+$/ }, text);
});

test('a method that the path does not have is a mistake', () => {
  assert.throws(
    () => requestFrom({ ...NOTHING, url: '/v2/models/digits/infer', request: 'GET' }, NO_PREFIXES),
    /405 for GET/,
  );
  assert.throws(() => requestFrom({ ...NOTHING, url: '/v2/models/digits', data: ['{}'] }, NO_PREFIXES), /405 for POST/);
});

test('headers and data mean what they mean to curl', (t) => {
  const file = fileWith(t, '{\n"a":1}\n', 'body.json');
  const read = (given: Partial<RequestArguments>) =>
    requestFrom({ ...NOTHING, url: 'digits', ...given }, NO_PREFIXES).facts;
  const header = ['X-User-Id: ada', 'x-empty;', 'x-gone:', 'x-two: 1', 'X-Two:2', 'x-url: http://a:1'];
  assert.deepEqual(read({ header }).headers, {
    'x-user-id': 'ada',
    'x-empty': '',
    'x-two': '1, 2',
    'x-url': 'http://a:1',
  });
  assert.equal(read({ data: [`@${file}`] }).body.toString(), '{"a":1}');
  assert.equal(read({ 'data-binary': [`@${file}`] }).body.toString(), '{\n"a":1}\n');
  assert.equal(read({ 'data-raw': ['@x'] }).body.toString(), '@x');
  assert.equal(read({ data: ['a=1', 'b=2'] }).body.toString(), 'a=1&b=2');
  assert.deepEqual(read({ 'user-agent': 'a', cookie: 'b=c', user: 'd:e' }).headers, {
    'user-agent': 'a',
    cookie: 'b=c',
    authorization: 'Basic ZDpl',
  });
  assert.equal(read({ header: ['x-sluice-version: v2'] }).pin, 'v2');
  assert.throws(() => read({ header: ['no colon'] }), /expected "name: value"/);
  assert.throws(() => read({ data: ['@nowhere'] }), /nowhere: no such file/);
});

test('a pin is explained: allowed, forbidden, unknown', () => {
  const pinned = { url: '/v2/models/digits/versions/v2/infer' };
  const allowed = explained(digits('pins: any'), pinned);
  assert.deepEqual(allowed.decision, { kind: 'serve', model: 'digits', version: 'v2', why: 'pin' });
  assert.equal(explained(digits(''), pinned).answer?.status, 403);
  assert.equal(explained(digits('pins: any'), { header: ['x-sluice-version: v7'] }).answer?.status, 404);
  assert.equal(explained(digits('', LADDER), { url: '/v2/models/spam/versions/v1/infer' }).answer?.status, 404);
});

test('an experiment comes before a rollout, and both are looked at', () => {
  const more = `experiment: { id: ab, unit: header x-user-id, arms: { v3: 1% } }\n    ${rollout('100%')}`;
  const { steps, decision, callers, chances } = explained(digits(more), { header: ['x-user-id: ada'] });
  assert.deepEqual(
    steps.map(({ what }) => what),
    ['experiment ab', 'rollout r2'],
  );
  assert.equal(decision.kind === 'serve' && decision.version, 'v2');
  assert.deepEqual(callers, [{ unit: 'header x-user-id', value: 'ada', without: undefined }]);
  assert.deepEqual(chances, []);
});

test('a tier is explained by its rules', () => {
  const data = ['{"inputs":[{"data":["hi"]}]}'];
  const short = explained(digits('', LADDER), { url: 'spam', data });
  assert.deepEqual(short.decision, {
    kind: 'serve',
    model: 'small',
    version: 'v1',
    tier: 'fast',
    why: 'rule 2: tier fast; baseline',
  });
  assert.deepEqual(short.steps.slice(0, 2), [
    { what: 'rule 1, header x-customer-tier', result: 'absent' },
    { what: 'rule 1', result: 'does not hold' },
  ]);
});

test('without a unit the policy draws, rejects or takes a key', () => {
  const drawn = explained(digits(rollout('10%')), {}, 0.05);
  assert.equal(drawn.decision.kind === 'serve' && drawn.decision.version, 'v2');
  assert.deepEqual(
    drawn.chances.map(({ probability, decision }) => [probability, decision.why]),
    [
      [0.9, 'baseline'],
      [0.1, 'rollout r2'],
    ],
  );
  const rejected = explained(digits(rollout('10%', ', without_unit: reject')), {});
  assert.deepEqual([rejected.answer?.status, rejected.chances], [400, []]);
  const keyed = explained(digits(rollout('10%', ', without_unit: { key: nobody }')), {});
  assert.deepEqual([keyed.callers[0]?.value, keyed.callers[0]?.without], ['nobody', 'key "nobody"']);
});

test('the chances of holdout, arms and rollouts multiply and add up to 1', () => {
  const more = `experiment: { id: ab, unit: random, holdout: 10%, arms: { v1: 20%, v3: 30% } }\n    ${rollout('40%')}`;
  const policy = parsePolicy(digits(more), 'p.yaml');
  const model = policy.models.get('digits');
  assert.ok(model?.kind === 'served');
  const chances = chancesOf(model, requestFrom({ ...NOTHING, url: 'digits' }, NO_PREFIXES).facts);
  const byWhy = new Map<string, number>();
  for (const { probability, decision } of chances) {
    const key = `${decision.kind === 'serve' && decision.version} ${decision.why}`;
    byWhy.set(key, (byWhy.get(key) ?? 0) + probability);
  }
  const expected = {
    'v1 holdout of ab': 0.1,
    'v1 experiment ab': 0.18,
    'v3 experiment ab': 0.27,
    'v2 rollout r2': 0.18,
    'v1 baseline': 0.27,
  };
  assert.equal(byWhy.size, 5);
  for (const [key, probability] of Object.entries(expected))
    assert.ok(Math.abs((byWhy.get(key) ?? 0) - probability) < 1e-12, `${key}: ${byWhy.get(key)}`);
});

test('what a protocol does not have is answered as the gateway does, and below a prefix everything is the model', () => {
  const models = `  chat: { protocol: http, prefix: /chat, timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }
  churn: { protocol: v1, timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }
`;
  const policy = `apiVersion: sluice/v1\nfleet: { s: { url: "http://127.0.0.1:1" } }\nmodels:\n${models}`;
  const streamed = explained(policy, { url: 'http://gw/chat/v1/completions?x=1', data: ['{}'] });
  assert.deepEqual(
    [streamed.request.target.method, streamed.decision.why, streamed.answer],
    ['POST', 'baseline', undefined],
  );
  assert.equal(explained(policy, { url: '/chat', request: 'delete' }).request.target.method, 'DELETE');
  assert.equal(explained(policy, { url: '/v1/models/churn:predict' }).answer, undefined);
  assert.equal(explained(policy, { url: 'churn' }).answer?.status, 404);
  assert.match(explained(policy, { url: 'churn' }).answer?.error ?? '', /POST \/v1\/models\/churn:predict/);
  assert.match(explained(policy, { url: 'chat' }).answer?.error ?? '', /reached below its prefix/);
});

test('a pasted curl line is understood', async () => {
  const url = 'http://127.0.0.1:8080/v2/models/digits/infer';
  const pasted = ['curl', '-si', url, '-H', 'x-user-id: alice', '--compressed', '-d', '@config/data/digits.json'];
  const { code, stdout, stderr } = await sluice(['explain', ...pasted]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /caller +header x-user-id: alice/);
  assert.match(stdout, /1 {2}rollout digits-v2 {2}slot 75548 of "alice" under salt digits\.canary\.digits-v2; inside/);
  assert.match(stdout, /decision {2}version v2 of model digits\n {2}why +rollout digits-v2/);
});

test('a request may come from a file or its body from standard input', async (t) => {
  const request = fileWith(
    t,
    JSON.stringify({ path: '/v2/models/digits/infer', headers: { 'x-user-id': 'bob' }, body: {} }),
  );
  const { stdout } = await sluice(['explain', '--file', request, '--json']);
  const { decision, steps, request: shown } = JSON.parse(stdout);
  assert.deepEqual([decision.version, steps.length, shown.model], ['v1', 2, 'digits']);
  assert.match((await sluice(['explain', 'digits', '-d', '@-'], '{}')).stdout, /body +2 bytes/);
});

test('mistakes are one line and no stack', async (t) => {
  const file = fileWith(t, 'no JSON');
  const cases = [
    [['digit'], /^sluice: no model "digit", the gateway answers 404; did you mean "digits"\? the policy has digits\n$/],
    [[], /^sluice: which request\?.*\n$/],
    [['digits', '--file', file], /^sluice: give either a URL or --file.*\n$/],
    [['--file', file], /^sluice: .*: not JSON: .*\n$/],
    [['digits', '--policy', 'nowhere'], /^sluice: nowhere: no such file\n$/],
  ] as const;
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await sluice(['explain', ...args]);
    assert.match(stderr, message);
    assert.equal(stdout, '');
    assert.ok(code > 0);
  }
});
