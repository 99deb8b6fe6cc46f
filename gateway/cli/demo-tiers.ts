// The demo of a cascade: held-out inputs through a ladder of tiers and through its last tier alone, and what that saved.
import { join } from 'node:path';
import { Pool } from 'undici';
import type { Digit } from '../../model-server/training/digits-data.ts';
import { readMails } from '../../model-server/training/held-out-mails.ts';
import type { Mail } from '../../model-server/training/mails.ts';
import { table } from './table.ts';

/** An input with what people said it is. */
export type Labelled = { readonly input: unknown; readonly label: number };

export type Ladder = {
  /** Where applications call. */
  readonly url: string;
  /** The model servers behind it, which tell what their runs took. */
  readonly serverUrls: readonly string[];
  /** The ladder's name, its models from the first tier to the last. */
  readonly name: string;
  readonly models: readonly string[];
  readonly inputs: readonly Labelled[];
  readonly concurrency: number;
};

/** What one way of answering came to: answers by model, right answers, and the time that onnxruntime spent (compute_infer). */
type Way = { readonly right: readonly boolean[]; readonly by: ReadonlyMap<string, number>; readonly inferMs: number };

/** A cascade beside its last tier alone, on the same inputs. */
export type LadderResult = {
  readonly name: string;
  readonly inputs: number;
  readonly shares: ReadonlyMap<string, number>;
  readonly accuracy: { readonly cascade: number; readonly last: number };
  /** Cascade minus last, a part of 1, with the Wald interval of a paired difference at 95 % (Agresti, section 11.1). */
  readonly difference: { readonly is: number; readonly low: number; readonly high: number };
  /** Of the inference time of always asking the last tier. */
  readonly cost: number;
};

/** Sends every input once to the ladder and once to its last tier. Throws when an answer is missing. */
export async function measureLadder(ladder: Ladder): Promise<LadderResult> {
  const last = ladder.models.at(-1) ?? '';
  const cascade = await way(ladder, ladder.name);
  const always = await way(ladder, last);
  const n = ladder.inputs.length;
  const won = cascade.right.filter((right, i) => right && !always.right[i]).length;
  const lost = cascade.right.filter((right, i) => !right && always.right[i]).length;
  const is = (won - lost) / n;
  const error = (1.96 * Math.sqrt(won + lost - (won - lost) ** 2 / n)) / n;
  return {
    name: ladder.name,
    inputs: n,
    shares: new Map(ladder.models.map((model) => [model, (cascade.by.get(model) ?? 0) / n])),
    accuracy: { cascade: shareOf(cascade.right), last: shareOf(always.right) },
    difference: { is, low: is - error, high: is + error },
    cost: cascade.inferMs / always.inferMs,
  };
}

/** Both ladders of config/examples/cascade.yaml on everything that is held out, told as a table. */
export async function showTiers(
  at: Pick<Ladder, 'url' | 'serverUrls' | 'concurrency'>,
  folder: string,
  digits: readonly Digit[],
): Promise<void> {
  const mails = readMails(join(folder, 'mails-held-out.jsonl.gz'));
  const ladders = [
    { name: 'digits', inputs: digits.map(digitInput) },
    { name: 'spam', inputs: mails.map(mailInput) },
  ];
  const results: LadderResult[] = [];
  for (const { name, inputs } of ladders) {
    console.error(`${name}: ${inputs.length} held-out inputs through the ladder, and through its last tier alone ...`);
    results.push(await measureLadder({ ...at, name, models: [`${name}-balanced`, `${name}-accurate`], inputs }));
  }
  console.log(ladderText(results));
}

export function digitInput({ pixels, label }: Digit): Labelled {
  return { input: { name: 'image', shape: [1, pixels.length], datatype: 'FP32', data: [...pixels] }, label };
}

export function mailInput({ text, isSpam }: Mail): Labelled {
  return { input: { name: 'text', shape: [1], datatype: 'BYTES', data: [text] }, label: isSpam ? 1 : 0 };
}

/** The figures as lines for people. */
export function ladderText(results: readonly LadderResult[]): string {
  const percent = (part: number, digits = 2) => `${(100 * part).toFixed(digits)} %`;
  const rows = results.map(({ name, inputs, shares, accuracy, difference, cost }) => [
    name,
    String(inputs),
    [...shares].map(([model, share]) => `${model.replace(`${name}-`, '')} ${percent(share, 1)}`).join(', '),
    percent(accuracy.cascade),
    percent(accuracy.last),
    `${(100 * difference.is).toFixed(2)} (${(100 * difference.low).toFixed(2)} to ${(100 * difference.high).toFixed(2)})`,
    percent(cost, 1),
  ]);
  const head = ['ladder', 'inputs', 'answered by', 'accuracy', 'always the last', 'difference, points', 'cost of it'];
  return `${table([head, ...rows])}\n\nCost is the time that onnxruntime spent, as a part of always asking the last tier.`;
}

async function way({ url, serverUrls, inputs, concurrency }: Ladder, model: string): Promise<Way> {
  const before = await inferMs(serverUrls);
  const pool = new Pool(url, { connections: concurrency });
  const right: boolean[] = new Array(inputs.length).fill(false);
  const by = new Map<string, number>();
  let next = 0;
  const caller = async () => {
    for (let i = next++; i < inputs.length; i = next++) {
      const { input, label } = inputs[i] as Labelled;
      const answer = await ask(pool, model, input);
      right[i] = answer.label === label;
      by.set(answer.by, (by.get(answer.by) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  await pool.close();
  return { right, by, inferMs: (await inferMs(serverUrls)) - before };
}

async function ask(pool: Pool, model: string, input: unknown): Promise<{ label: number | undefined; by: string }> {
  const { statusCode, headers, body } = await pool.request({
    path: `/v2/models/${model}/infer`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: [input] }),
  });
  const answer = (await body.json()) as { error?: string; outputs?: { name: string; data: number[] }[] };
  if (statusCode !== 200) throw new Error(`${model} answered ${statusCode}: ${answer.error}`);
  return {
    label: answer.outputs?.find(({ name }) => name === 'label')?.data[0],
    by: String(headers['x-sluice-model']),
  };
}

/** Milliseconds that onnxruntime has spent at these servers since they started, by the statistics extension. */
async function inferMs(urls: readonly string[]): Promise<number> {
  let ns = 0;
  for (const url of urls) {
    const answer = await (await fetch(`${url}/v2/models/stats`)).json();
    const { model_stats: stats } = answer as { model_stats: { inference_stats: { compute_infer: { ns: number } } }[] };
    for (const { inference_stats } of stats) ns += inference_stats.compute_infer.ns;
  }
  return ns / 1e6;
}

function shareOf(right: readonly boolean[]): number {
  return right.filter(Boolean).length / right.length;
}
