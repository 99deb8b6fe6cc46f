// The demo of a cascade: held-out inputs through a ladder of tiers and through its last tier alone, and what that saved.
import { join } from 'node:path';
import { Pool } from 'undici';
import type { Digit } from '../../../model-server/samples/digits.ts';
import { readMails } from '../../../model-server/samples/held-out-mails.ts';
import { type Labelled, labelledDigit, labelledMail } from '../../../model-server/samples/labelled.ts';
import { pairedDifference } from '../../statistics/paired-difference.ts';
import { table } from '../text/table.ts';

export type Ladder = {
  /** Where applications call. */
  readonly url: string;
  readonly adminUrl: string;
  /** The model servers behind it, which tell what their runs took. */
  readonly serverUrls: readonly string[];
  /** The ladder's name, its models from the first tier to the last. */
  readonly name: string;
  readonly models: readonly string[];
  readonly inputs: readonly Labelled[];
  readonly concurrency: number;
};

/** Milliseconds that onnxruntime ran (compute_infer), and CPU time of the model servers and the gateway. */
type Spent = { inferMs: number; cpuMs: number };

/** A cascade beside its last tier alone, on the same inputs. */
export type LadderResult = {
  readonly name: string;
  readonly inputs: number;
  readonly shares: ReadonlyMap<string, number>;
  readonly accuracy: { readonly cascade: number; readonly last: number };
  /** Cascade minus last, a part of 1, with its 95 % bounds (Bonett and Price 2012). */
  readonly difference: { readonly is: number; readonly low: number; readonly high: number };
  /** Of the inference time of always asking the last tier. */
  readonly cost: number;
  /** CPU time of the model servers and the gateway, as a part of the same. */
  readonly cpu: number;
};

/** Inputs between two looks at what the servers have spent: the two ways take turns, so that a busy moment hits both. */
const BLOCK = 50;

/** Sends every input once to the ladder and once to its last tier. Throws when an answer is missing. */
export async function measureLadder(ladder: Ladder): Promise<LadderResult> {
  const cascade = new Way(ladder.name);
  const always = new Way(ladder.models.at(-1) ?? '');
  const n = ladder.inputs.length;
  for (let start = 0; start < n; start += BLOCK) {
    const ways = (start / BLOCK) % 2 === 0 ? [cascade, always] : [always, cascade];
    for (const way of ways) await way.answer(ladder, ladder.inputs.slice(start, start + BLOCK));
  }
  const won = cascade.right.filter((right, i) => right && !always.right[i]).length;
  const lost = cascade.right.filter((right, i) => !right && always.right[i]).length;
  return {
    name: ladder.name,
    inputs: n,
    shares: new Map(ladder.models.map((model) => [model, (cascade.by.get(model) ?? 0) / n])),
    accuracy: { cascade: shareOf(cascade.right), last: shareOf(always.right) },
    difference: { is: (won - lost) / n, ...pairedDifference(won, lost, n) },
    cost: cascade.spent.inferMs / always.spent.inferMs,
    cpu: cascade.spent.cpuMs / always.spent.cpuMs,
  };
}

/** Both ladders of config/examples/cascade.yaml on everything that is held out, told as a table. */
export async function showTiers(
  at: Pick<Ladder, 'url' | 'adminUrl' | 'serverUrls' | 'concurrency'>,
  folder: string,
  digits: readonly Digit[],
): Promise<void> {
  const mails = readMails(join(folder, 'mails-held-out.jsonl.gz'));
  const ladders = [
    { name: 'digits', inputs: digits.map(labelledDigit) },
    { name: 'spam', inputs: mails.map(labelledMail) },
  ];
  const results: LadderResult[] = [];
  for (const { name, inputs } of ladders) {
    console.error(`${name}: ${inputs.length} held-out inputs through the ladder, and through its last tier alone ...`);
    results.push(await measureLadder({ ...at, name, models: [`${name}-balanced`, `${name}-accurate`], inputs }));
  }
  console.log(ladderText(results));
}

/** The figures as lines for people. */
export function ladderText(results: readonly LadderResult[]): string {
  const percent = (part: number, digits = 2) => `${(100 * part).toFixed(digits)} %`;
  const rows = results.map(({ name, inputs, shares, accuracy, difference, cost, cpu }) => [
    name,
    String(inputs),
    [...shares].map(([model, share]) => `${model.replace(`${name}-`, '')} ${percent(share, 1)}`).join(', '),
    percent(accuracy.cascade),
    percent(accuracy.last),
    `${(100 * difference.is).toFixed(2)} (${(100 * difference.low).toFixed(2)} to ${(100 * difference.high).toFixed(2)})`,
    percent(cost, 1),
    percent(cpu, 1),
  ]);
  const head = [
    'ladder',
    'inputs',
    'answered by',
    'accuracy',
    'always the last',
    'difference, points',
    'cost of it',
    'CPU',
  ];
  return `${table([head, ...rows])}\n\nCost is the time that onnxruntime spent, CPU that of the model servers and the gateway together, each as a part of always asking\nthe last tier.`;
}

/** One way of answering: right answers in the order of the inputs, answers by model, and what was spent. */
class Way {
  readonly right: boolean[] = [];
  readonly by = new Map<string, number>();
  readonly spent: Spent = { inferMs: 0, cpuMs: 0 };
  readonly #model: string;

  constructor(model: string) {
    this.#model = model;
  }

  async answer({ url, adminUrl, serverUrls, concurrency }: Ladder, inputs: readonly Labelled[]): Promise<void> {
    const before = await spentBy(serverUrls, adminUrl);
    const pool = new Pool(url, { connections: concurrency });
    const right: boolean[] = new Array(inputs.length).fill(false);
    let next = 0;
    const caller = async () => {
      for (let i = next++; i < inputs.length; i = next++) {
        const { request, label } = inputs[i] as Labelled;
        const answer = await ask(pool, this.#model, request);
        right[i] = answer.label === label;
        this.by.set(answer.by, (this.by.get(answer.by) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, caller));
    await pool.close();
    const after = await spentBy(serverUrls, adminUrl);
    this.right.push(...right);
    this.spent.inferMs += after.inferMs - before.inferMs;
    this.spent.cpuMs += after.cpuMs - before.cpuMs;
  }
}

async function ask(pool: Pool, model: string, request: object): Promise<{ label: number | undefined; by: string }> {
  const { statusCode, headers, body } = await pool.request({
    path: `/v2/models/${model}/infer`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  const answer = (await body.json()) as { error?: string; outputs?: { name: string; data: number[] }[] };
  if (statusCode !== 200) throw new Error(`${model} answered ${statusCode}: ${answer.error}`);
  return {
    label: answer.outputs?.find(({ name }) => name === 'label')?.data[0],
    by: String(headers['x-sluice-model']),
  };
}

/** What these servers and the gateway have spent since they started: by the statistics extension, and by their metrics. */
async function spentBy(serverUrls: readonly string[], adminUrl: string): Promise<Spent> {
  const spent: Spent = { inferMs: 0, cpuMs: 0 };
  for (const url of serverUrls) {
    const answer = await (await fetch(`${url}/v2/models/stats`)).json();
    const { model_stats: stats } = answer as { model_stats: { inference_stats: { compute_infer: { ns: number } } }[] };
    for (const { inference_stats } of stats) spent.inferMs += inference_stats.compute_infer.ns / 1e6;
  }
  for (const url of [...serverUrls, adminUrl]) {
    const text = await (await fetch(`${url}/metrics`)).text();
    spent.cpuMs += 1000 * Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]);
  }
  return spent;
}

function shareOf(right: readonly boolean[]): number {
  return right.filter(Boolean).length / right.length;
}
