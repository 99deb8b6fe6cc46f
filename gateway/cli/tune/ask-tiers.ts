// Labelled requests to every tier of a ladder through a running gateway: what each says, how sure it is, and what it costs.
import { Pool } from 'undici';
import { rungsOf } from '../../decide/escalate.ts';
import { startTier } from '../../decide/tiers.ts';
import { View } from '../../decide/view.ts';
import type { Facts } from '../../flow.ts';
import type { ServedModel, TieredModel } from '../../policy/policy.ts';
import type { Said, Trial } from '../../tune/trial.ts';
import { stepAfter } from '../../tune/walk.ts';
import { ask, digestOf } from './ask-gateway.ts';
import type { Asked, Asking } from './asking.ts';
import type { Labelled } from './trial-lines.ts';

/** Inputs between two looks at what the servers have spent. */
const BLOCK = 50;
const TIMEOUT_MS = 30_000;

/**
 * Asks every tier for every input, a block of inputs after the other, so that a busy moment hits all tiers alike. Of each
 * block one round goes up the ladder as the policy has it, and others ask whom it left out: a run costs more between runs
 * of another model than after its own kind, and so each is measured where it will stand.
 */
export async function askTiers(asking: Asking, inputs: readonly Labelled[]): Promise<Asked> {
  const { ladder, url, concurrency } = asking;
  const pool = new Pool(url, { connections: concurrency, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  try {
    const digests = new Map<string, string | undefined>();
    for (const [tier, { name }] of ladder.ladder) digests.set(tier, await digestOf(pool, name, url));
    const starts = inputs.map((input) => startOf(ladder, input));
    await warmUp(new Rounds(asking, pool, inputs, digests), ladder, inputs.length);
    const rounds = new Rounds(asking, pool, inputs, digests);
    for (let start = 0; start < inputs.length; start += BLOCK) {
      const block = Array.from({ length: Math.min(BLOCK, inputs.length - start) }, (_, i) => start + i);
      const plans = [upTheLadder(ladder, starts), ...[...ladder.ladder.keys()].map(only)];
      for (const plan of plans) await rounds.ask(block, plan);
      asking.onDone(start + block.length);
    }
    const trials = inputs.map(
      ({ id, label }, i): Trial => ({ id, label, start: starts[i], tiers: rounds.said[i] ?? new Map() }),
    );
    const { failed } = rounds;
    if (rounds.isMeasured) return { trials, costs: 'measured', failed };
    return {
      trials: trials.map((trial) => priced(trial, ladder)),
      costs: ladder.costs.size > 0 ? 'policy' : 'none',
      failed,
    };
  } finally {
    await pool.close();
  }
}

/** The first requests of a server cost more than all others; what comes of these is forgotten. */
async function warmUp(rounds: Rounds, { ladder }: TieredModel, inputs: number): Promise<void> {
  const block = Array.from({ length: Math.min(BLOCK, inputs) }, (_, i) => i);
  for (const tier of ladder.keys()) await rounds.ask(block, only(tier));
}

/** Which tier is asked for an input first, and which after what a tier said; undefined when that is enough. */
type Plan = {
  readonly first: (input: number) => string | undefined;
  readonly next: (tier: string, said: Said | undefined) => string | undefined;
};

/** As live traffic climbs, but for the budget: whom it would leave out is asked as well, where its run has its true cost. */
export function upTheLadder(ladder: TieredModel, starts: readonly string[]): Plan {
  const climb = { ...rungsOf(ladder), calibrations: ladder.escalation?.calibrations ?? new Map() };
  return {
    first: (input) => starts[input],
    next: (tier, said) => {
      const step = stepAfter(climb, tier, said, true);
      return step.kind === 'up' ? step.tier : undefined;
    },
  };
}

function only(tier: string): Plan {
  return { first: () => tier, next: () => undefined };
}

/** Answers as they come in, each with its part of what its round cost. */
class Rounds {
  readonly said: ReadonlyMap<string, Said>[];
  readonly failed = new Map<string, { count: number; reason: string }>();
  isMeasured: boolean;
  readonly #asking: Asking;
  readonly #pool: Pool;
  readonly #inputs: readonly Labelled[];
  readonly #digests: ReadonlyMap<string, string | undefined>;
  readonly #said: Map<string, Said>[];
  /** Tiers that were asked for an input, answered or not. */
  readonly #asked: Set<string>[];

  constructor(
    asking: Asking,
    pool: Pool,
    inputs: readonly Labelled[],
    digests: ReadonlyMap<string, string | undefined>,
  ) {
    this.#asking = asking;
    this.#pool = pool;
    this.#inputs = inputs;
    this.#digests = digests;
    this.#said = inputs.map(() => new Map());
    this.said = this.#said;
    this.#asked = inputs.map(() => new Set());
    this.isMeasured = asking.admin !== undefined;
  }

  async ask(block: readonly number[], plan: Plan): Promise<void> {
    const { ladder, concurrency } = this.#asking;
    const before = await spentByAll(this.#asking);
    const answered = new Map([...ladder.ladder.keys()].map((tier) => [tier, [] as number[]]));
    const waiting = [...block];
    const caller = async () => {
      for (let input = waiting.shift(); input !== undefined; input = waiting.shift())
        await this.#askFor(input, plan, answered);
    };
    await Promise.all(Array.from({ length: concurrency }, caller));
    const after = await spentByAll(this.#asking);
    for (const [tier, inputs] of answered) {
      if (inputs.length === 0) continue;
      const spent = (after.get(tier) ?? Number.NaN) - (before.get(tier) ?? Number.NaN);
      this.isMeasured &&= spent > 0;
      for (const input of inputs) {
        const said = this.#said[input]?.get(tier);
        if (said !== undefined && spent > 0) this.#said[input]?.set(tier, { ...said, cost: spent / inputs.length });
      }
    }
  }

  async #askFor(input: number, plan: Plan, answered: ReadonlyMap<string, number[]>): Promise<void> {
    let tier = plan.first(input);
    // What was asked already was asked by the round before, which went up the ladder.
    while (tier !== undefined && !this.#asked[input]?.has(tier)) {
      this.#asked[input]?.add(tier);
      const model = this.#asking.ladder.ladder.get(tier) as ServedModel;
      const answer = await ask(this.#pool, this.#asking, tier, model, this.#inputs[input] as Labelled);
      if (typeof answer === 'string') {
        this.failed.set(tier, { count: (this.failed.get(tier)?.count ?? 0) + 1, reason: answer });
      } else {
        this.#said[input]?.set(tier, { ...answer, digest: this.#digests.get(tier) });
        answered.get(tier)?.push(input);
      }
      tier = plan.next(tier, this.#said[input]?.get(tier));
    }
  }
}

/** With the policy's costs in place of measured ones, so that all tiers are priced alike. */
function priced({ tiers, ...trial }: Trial, { costs }: TieredModel): Trial {
  return { ...trial, tiers: new Map([...tiers].map(([tier, said]) => [tier, { ...said, cost: costs.get(tier) }])) };
}

async function spentByAll(asking: Asking): Promise<ReadonlyMap<string, number | undefined>> {
  const spent = new Map<string, number | undefined>();
  for (const [tier, model] of asking.ladder.ladder) spent.set(tier, await spentBy(asking, model));
  return spent;
}

function startOf(ladder: TieredModel, { id, request, headers }: Labelled): string {
  const facts: Facts = {
    id,
    model: ladder.name,
    call: 'infer',
    pin: undefined,
    headers,
    rawHeaders: [],
    body: Buffer.from(request),
  };
  return startTier(ladder, new View(facts)).tier;
}

/** Milliseconds of inference that the model's servers have spent on it since they started; undefined when they do not tell. */
async function spentBy({ admin, policy }: Asking, { baseline }: ServedModel): Promise<number | undefined> {
  if (admin === undefined) return undefined;
  const [, model = ''] = baseline.upstream.split('/');
  let ns = 0;
  try {
    for (const server of baseline.servers) {
      if (!policy.fleet.has(server)) return undefined;
      const told = await admin.get(`/fleet/${server}/v2/models/${model}/stats`);
      const { model_stats: stats } = told as { model_stats: { inference_stats: { compute_infer: { ns: number } } }[] };
      for (const { inference_stats } of stats) ns += inference_stats.compute_infer.ns;
    }
  } catch {
    return undefined;
  }
  return ns / 1e6;
}
