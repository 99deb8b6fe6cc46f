import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Means, nextStep, rungsOf, type TierAnswer } from '../../../gateway/decide/escalate.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { TieredModel } from '../../../gateway/policy/policy.ts';

const LADDER = ladder();
const PLENTY: Means = { leftMs: 1000, nextP95Ms: 50, hasBudget: true };
const SURE: TierAnswer = { tier: 'fast', class: 'ok', confidence: 0.9 };

function ladder(): TieredModel {
  const model = (name: string) => `  ${name}: { timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }\n`;
  const text = `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" } }
models:
${['a', 'b', 'c'].map(model).join('')}  l:
    tiers:
      ladder: { fast: a, balanced: b, accurate: c }
      rules: [{ use: fast }]
      escalate: { below: { fast: 0.8 }, budget: 10%, confidence: { output: p } }
`;
  const found = parsePolicy(text, 'p').models.get('l');
  assert.ok(found?.kind === 'tiers');
  return found;
}

const rows: readonly (readonly [string, Partial<TierAnswer>, number | undefined, Partial<Means>, string])[] = [
  ['a sure answer goes out', {}, undefined, {}, 'answer'],
  ['an answer at the threshold goes out', { confidence: 0.8 }, undefined, {}, 'answer'],
  ['an unsure answer goes up, and is paid for', { confidence: 0.79 }, undefined, {}, 'up balanced unsure paid'],
  ['a caller may want more', {}, 0.95, {}, 'up balanced unsure paid'],
  ['a caller cannot want less', { confidence: 0.5 }, 0.1, {}, 'up balanced unsure paid'],
  ['no budget, no climb', { confidence: 0.5 }, undefined, { hasBudget: false }, 'answer budget'],
  ['no time, no climb', { confidence: 0.5 }, undefined, { leftMs: 50 }, 'answer deadline'],
  [
    'no confidence goes up free of charge',
    { confidence: undefined },
    undefined,
    { hasBudget: false },
    'up balanced invalid',
  ],
  ['no confidence and no time', { confidence: undefined }, undefined, { leftMs: 10 }, 'answer deadline'],
  ['an outage goes up free of charge', { class: 'model_fault' }, undefined, { hasBudget: false }, 'up balanced outage'],
  ['so does one of its servers', { class: 'server_fault' }, undefined, { hasBudget: false }, 'up balanced outage'],
  ['a full tier goes up', { class: 'shed' }, undefined, {}, 'up balanced outage'],
  ['an outage without time goes out', { class: 'model_fault' }, undefined, { leftMs: 10 }, 'answer'],
  ["a caller's mistake goes out", { class: 'client_fault', confidence: undefined }, undefined, {}, 'answer'],
  ['a tier without a threshold keeps unsure answers', { tier: 'balanced', confidence: 0 }, 0.9, {}, 'answer'],
  [
    'the outage of a tier without a threshold goes up',
    { tier: 'balanced', class: 'model_fault' },
    undefined,
    {},
    'up accurate outage',
  ],
  ['the last tier has none above it', { tier: 'accurate', class: 'model_fault' }, undefined, {}, 'answer'],
];

for (const [what, answer, asked, means, expected] of rows) {
  test(what, () => {
    const step = nextStep(rungsOf(LADDER), { ...SURE, ...answer }, asked, { ...PLENTY, ...means });
    const told =
      step.kind === 'answer'
        ? ['answer', step.degraded]
        : ['up', step.tier, step.reason, step.isPaid ? 'paid' : undefined];
    assert.equal(told.filter((each) => each !== undefined).join(' '), expected);
  });
}
