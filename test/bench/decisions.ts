// What a decision costs with few and with many models in the policy.
import { decide } from '../../gateway/decide/decide.ts';
import type { Facts } from '../../gateway/flow.ts';
import { parsePolicy } from '../../gateway/policy/load/load.ts';
import { pack, Unpacker } from '../../gateway/policy/load/parcel.ts';
import type { Policy } from '../../gateway/policy/policy.ts';
import { randomFrom } from './judge/random.ts';
import { benchLargePolicy } from './large-policy.ts';
import { median } from './statistics.ts';

const [FEW, MANY] = [10, 10_000];
const ROUNDS = 41;
const BATCHES = 20;
const BATCH = 1000;

/** Which model the next request is for. */
type Order = (models: number) => number;

/** A line for each figure. */
export async function benchDecisions(): Promise<string> {
  const few = arrived(parsePolicy(policyWith(FEW), 'bench'));
  const many = arrived(parsePolicy(policyWith(MANY), 'bench'));
  const random = randomFrom(20_261_125);
  let next = 0;
  const lines = [
    compared('models in turn  ', few, many, (models) => next++ % models),
    compared('models at random', few, many, (models) => Math.floor(random() * models)),
  ];
  return [`a decision with ${FEW} models, with ${MANY}, and their ratio`, ...lines, ...(await benchLargePolicy())].join(
    '\n',
  );
}

/** Both costs, measured by turns, so that what else the machine does falls on both. */
function compared(what: string, few: Policy, many: Policy, order: Order): string {
  const rounds = Array.from({ length: ROUNDS }, () => [costOf(few, FEW, order), costOf(many, MANY, order)] as const);
  const [a, b] = [median(rounds.map(([cost]) => cost)), median(rounds.map(([, cost]) => cost))];
  const quiet = Math.min(...rounds.map(([, cost]) => cost)) / Math.min(...rounds.map(([cost]) => cost));
  return `  ${what}: ${a.toFixed(2)} us, ${b.toFixed(2)} us: ${(b / a).toFixed(2)} (${quiet.toFixed(2)} of the quietest rounds)`;
}

/**
 * Microseconds a decision, look-up of the model included. A batch of requests is made right before it is decided about: a
 * gateway has just read them too, so their own texts are near, and what is far is the policy alone.
 */
function costOf({ models }: Policy, count: number, order: Order): number {
  let micros = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const requests = Array.from({ length: BATCH }, (_, i) => factsFor(`m${order(count)}`, `user-${batch * BATCH + i}`));
    const start = process.cpuUsage();
    for (const facts of requests) {
      const model = models.get(facts.model);
      if (model === undefined) throw new Error('no such model');
      decide(model, facts, 0.5);
    }
    const { user, system } = process.cpuUsage(start);
    micros += user + system;
  }
  return micros / (BATCHES * BATCH);
}

/** The policy as a gateway has it: come piece by piece from the thread that loaded it. */
function arrived(policy: Policy): Policy {
  const unpacker = new Unpacker();
  for (const piece of pack(policy)) {
    const whole = unpacker.take(structuredClone(piece));
    if (whole !== undefined) return whole;
  }
  throw new Error('the last piece is missing');
}

function factsFor(model: string, user: string): Facts {
  const headers = { 'x-u': user };
  return { id: 'r', model, call: 'infer', pin: undefined, headers, rawHeaders: [], body: NO_BODY };
}

const NO_BODY = Buffer.alloc(0);

/** Models that each have a rollout. */
function policyWith(models: number): string {
  const lines = Array.from(
    { length: models },
    (_, i) =>
      ` m${i}: {timeout: 1s, versions: {a: {servers: [s]}, b: {servers: [s]}}, baseline: a, rollout: {id: r${i}, candidate: b, unit: header x-u, steps: [10%]}}`,
  );
  return `apiVersion: sluice/v1\nfleet: {s: {url: "http://127.0.0.1:9"}}\nmodels:\n${lines.join('\n')}\n`;
}
