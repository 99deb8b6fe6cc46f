// Live traffic, `sluice replay` and the measuring of `sluice tune` climb a ladder by one rule and pay from one kind of budget.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { upTheLadder } from '../../../gateway/cli/tune/ask-tiers.ts';
import type { Chosen } from '../../../gateway/conduct/choose.ts';
import { Tiering } from '../../../gateway/conduct/ladders.ts';
import { perTier } from '../../../gateway/conduct/per-tier.ts';
import { rungsOf } from '../../../gateway/decide/escalate.ts';
import type { Answer } from '../../../gateway/flow.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { Policy, TieredModel } from '../../../gateway/policy/policy.ts';
import type { Said, Trial } from '../../../gateway/tune/trial.ts';
import { walkAll } from '../../../gateway/tune/walk.ts';
import { request } from '../decide/setup.ts';

const TIERS = ['fast', 'balanced', 'accurate'] as const;
const MODELS = { fast: 'a', balanced: 'b', accurate: 'c' } as const;

type Ladder = { readonly policy: Policy; readonly model: TieredModel };

function ladderWith(share: number, burst: number, fast: number, balanced: number | undefined): Ladder {
  const below = `{ fast: ${fast}${balanced === undefined ? '' : `, balanced: ${balanced}`} }`;
  const model = (name: string) => `  ${name}: { timeout: 10s, versions: { v1: { servers: [s] } }, baseline: v1 }\n`;
  const text = `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" } }
models:
${['a', 'b', 'c'].map(model).join('')}  l:
    tiers:
      ladder: { fast: a, balanced: b, accurate: c }
      rules: [{ use: fast }]
      escalate: { below: ${below}, budget: ${share}%, burst: ${burst}, confidence: { parameter: confidence } }
`;
  const policy = parsePolicy(text, 'p');
  const found = policy.models.get('l');
  assert.ok(found?.kind === 'tiers');
  return { policy, model: found };
}

/** What live traffic does with these trials, one after the other: who answered, and who was asked. */
async function live({ policy, model }: Ladder, trials: readonly Trial[]) {
  const tiering = new Tiering({ onAlarm: () => {}, onCalibration: () => {} });
  const decided = { withheld: new Map(), outOfService: new Set<string>() } as never;
  const results: { by: string; asked: string[] }[] = [];
  for (const trial of trials) {
    const asked: string[] = [];
    const ask = async ({ decision }: Chosen) => {
      const tier = TIERS.find((each) => MODELS[each] === decision.model) ?? 'fast';
      asked.push(tier);
      return answerOf(trial.tiers.get(tier));
    };
    const deps = {
      ...(decided as object),
      models: policy.models,
      random: () => 0.5,
      tiering,
      digestOf: () => undefined,
    };
    const served = policy.models.get('a');
    assert.ok(served?.kind === 'served');
    const version = served.baseline;
    const first = {
      decision: { kind: 'serve', model: 'a', version: 'v1', tier: 'fast', why: 'rule' },
      version,
    } as Chosen;
    const { marks } = await perTier({ ...deps, ladder: model, ask } as never, request({}, {}, { model: 'l' }), first);
    results.push({ by: marks['x-sluice-tier'] ?? '', asked });
  }
  return results;
}

function answerOf(said: Said | undefined): Answer {
  const parameters = said?.confidence === undefined ? {} : { confidence: said.confidence };
  return {
    class: said === undefined ? 'server_fault' : 'ok',
    status: said === undefined ? 502 : 200,
    headers: {},
    body: Buffer.from(JSON.stringify({ parameters, outputs: [] })),
    latencyMs: 0,
  } as unknown as Answer;
}

function replayed({ model }: Ladder, trials: readonly Trial[]) {
  const { escalation } = model;
  assert.ok(escalation);
  const climb = {
    ...rungsOf(model),
    start: 'fast',
    calibrations: escalation.calibrations,
    budget: { share: escalation.budget, burst: escalation.burst },
  };
  return walkAll(climb, trials).map(({ trial, by, asked }) => ({
    by,
    asked: asked.map((said) => tierOf(trial, said)),
  }));
}

function tierOf({ tiers }: Trial, said: Said): string {
  return [...tiers].find(([, each]) => each === said)?.[0] ?? '';
}

/** Whom a measuring round asks, budget or not. */
function measured({ model }: Ladder, trial: Trial): string[] {
  const plan = upTheLadder(model, ['fast']);
  const asked: string[] = [];
  for (let tier = plan.first(0); tier !== undefined; tier = plan.next(tier, trial.tiers.get(tier))) asked.push(tier);
  return asked;
}

const said = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 0.2, 0.5, 0.7, 0.8, 0.9, 1).map((confidence) => saidWith(confidence)) },
  { weight: 1, arbitrary: fc.constant(saidWith(undefined)) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);

function saidWith(confidence: number | undefined): Said {
  return { answer: 'a', latencyMs: 0, ...(confidence === undefined ? {} : { confidence }) };
}

const trialsArbitrary = fc
  .array(fc.tuple(said, said, saidOrNone()), { minLength: 1, maxLength: 40 })
  .map((all) => all.map((of, i) => trialOf(i, of)));

function saidOrNone() {
  return fc.constantFrom(saidWith(0.9), saidWith(0.1), undefined);
}

function trialOf(i: number, of: readonly (Said | undefined)[]): Trial {
  const tiers = TIERS.flatMap((tier, place) => {
    const each = of[place];
    return each === undefined ? [] : [[tier, { ...each }] as const];
  });
  return { id: String(i), tiers: new Map(tiers) };
}

test('with 10 % and a burst of 1, of unsure requests in a row replay passes on the same ones as live traffic', async () => {
  const ladder = ladderWith(10, 1, 0.8, undefined);
  const unsure = Array.from({ length: 24 }, (_, i) => trialOf(i, [saidWith(0.5), saidWith(0.9), saidWith(0.9)]));
  const passedOn = (results: readonly { by: string }[]) =>
    results.flatMap(({ by }, i) => (by === 'fast' ? [] : [i + 1]));
  assert.deepEqual(passedOn(await live(ladder, unsure)), [1, 11, 21]);
  assert.deepEqual(passedOn(replayed(ladder, unsure)), [1, 11, 21]);
});

test('replay answers every trial from the tier that live traffic answers it from, and measuring asks the same tiers', async () => {
  const ladders = fc.record({
    share: fc.constantFrom(1, 10, 30, 100),
    burst: fc.constantFrom(1, 3, 10),
    fast: fc.constantFrom(0.5, 0.8, 1),
    balanced: fc.constantFrom(undefined, 0.7),
  });
  await fc.assert(
    fc.asyncProperty(ladders, trialsArbitrary, async ({ share, burst, fast, balanced }, trials) => {
      const ladder = ladderWith(share, burst, fast, balanced);
      const answered = trials.filter(({ tiers }) => tiers.size > 0); // without any answer there is no walk
      const seen = await live(ladder, answered);
      const walks = replayed(ladder, answered);
      assert.deepEqual(
        walks.map(({ by }) => by),
        seen.map(({ by }) => by),
      );
      assert.deepEqual(
        walks.map(({ asked }) => asked),
        seen.map(({ asked }, i) => asked.filter((tier) => answered[i]?.tiers.has(tier))),
      );
      const unbounded = await live(ladderWith(100, 1000, fast, balanced), answered);
      for (const [i, trial] of answered.entries()) assert.deepEqual(measured(ladder, trial), unbounded[i]?.asked);
    }),
    { numRuns: 150 },
  );
});
