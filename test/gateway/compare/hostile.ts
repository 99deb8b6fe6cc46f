// Answers that unfold into many times their bytes, or take long to compare. Each is as large as an answer may be.
import type { CompareAs } from '../../../gateway/compare/spec.ts';
import type { Pair, Side } from '../../../gateway/flow.ts';
import { binary, pair, side } from './answers.ts';

export type Hostile = { readonly name: string; readonly as: CompareAs; readonly side: Side };

const MOST = 4 * 1024 * 1024;
const MOST_BINARY = 16 * 1024 * 1024 - 1024;

/** Parts made from their number, as many as fit between `before` and `after`. */
function filled(before: string, part: (i: number) => string, after: string, most = MOST): string {
  const parts: string[] = [];
  let length = before.length + after.length;
  for (let i = 0; ; i++) {
    const next = i === 0 ? part(i) : `,${part(i)}`;
    length += next.length;
    if (length > most) return before + parts.join('') + after;
    parts.push(next);
  }
}

/** A v2 answer with one binary tensor of this shape. */
function tensor(datatype: string, shape: readonly number[], bytes: Buffer): Side {
  return binary([{ name: 'out', datatype, shape, parameters: { binary_data_size: bytes.length } }], bytes);
}

/** Whole numbers of 32 bits that all differ. */
function different(count: number): Buffer {
  return Buffer.from(Int32Array.from({ length: count }, (_, i) => i * 2_654_435_761).buffer);
}

const word = (i: number) => i.toString(36);
const json = (name: string, text: string): Hostile => ({ name, as: 'json', side: side(text) });

/** Made when asked for: together they are 100 MB. */
export const HOSTILE: readonly (() => Hostile)[] = [
  () =>
    json(
      'empty objects',
      filled('[', () => '{}', ']'),
    ),
  () =>
    json(
      'arrays of one',
      filled('[', () => '[0]', ']'),
    ),
  () => json('arrays in arrays, closed', '['.repeat(MOST / 2) + ']'.repeat(MOST / 2)),
  () => json('arrays in arrays, not closed', '['.repeat(MOST)),
  () => json('objects in objects', '{"a":'.repeat(MOST / 6) + '1'.padEnd(1 + MOST / 6, '}')),
  () =>
    json(
      'objects that each have another key',
      filled('[', (i) => `{"${word(i)}":1}`, ']'),
    ),
  () =>
    json(
      'one object of many keys',
      filled('{', (i) => `"${word(i)}":1`, '}'),
    ),
  () =>
    json(
      'short strings',
      filled('[', (i) => `"${word(i)}"`, ']'),
    ),
  () =>
    json(
      'escaped strings',
      filled('[', () => '"\\u00e9\\n"', ']'),
    ),
  () => json('one string of escapes', `"${'\\u0041'.repeat(MOST / 6 - 1)}"`),
  () =>
    json(
      'numbers and null',
      filled('[', (i) => (i % 2 === 0 ? '1.5' : 'null'), ']'),
    ),
  () => json('one number of many digits', '9'.repeat(MOST)),
  () =>
    json(
      'many numbers of twenty digits',
      filled('[', (i) => `1${String(i).padStart(19, '0')}`, ']'),
    ),
  () =>
    json(
      'NaN throughout',
      filled('[', () => 'NaN', ']'),
    ),
  () =>
    json(
      'JSON in a string',
      JSON.stringify({
        outputs: [{ name: 'a', datatype: 'BYTES', shape: [1], data: [filled('[', () => '{}', ']', MOST - 200)] }],
      }),
    ),
  () => ({
    name: 'v1 rows times columns',
    as: 'exact',
    side: side(
      `{"predictions":[${filled('{', (i) => `"${word(i)}":1`, '}', MOST / 2)},${filled('', () => '{}', ']}', MOST / 2 - 20)}`,
    ),
  }),
  () => ({
    name: 'labels that all differ',
    as: 'classification',
    side: tensor('INT32', [MOST_BINARY / 4], different(MOST_BINARY / 4)),
  }),
  () => ({ name: 'rankings of one', as: 'ranking', side: tensor('INT8', [MOST_BINARY, 1], Buffer.alloc(MOST_BINARY)) }),
  () => ({
    name: 'scores to rank',
    as: 'ranking',
    side: tensor('FP32', [MOST_BINARY / 4], different(MOST_BINARY / 4)),
  }),
  () => ({ name: 'texts of nothing', as: 'text', side: tensor('BYTES', [MOST_BINARY / 4], Buffer.alloc(MOST_BINARY)) }),
  () => ({
    name: 'bits of 64',
    as: 'regression',
    side: tensor('INT64', [MOST_BINARY / 8], Buffer.alloc(MOST_BINARY, 1)),
  }),
  () => ({ name: 'halves', as: 'embedding', side: tensor('FP16', [MOST_BINARY / 2], Buffer.alloc(MOST_BINARY, 60)) }),
];

/** Two hostile answers to one request. */
export function hostilePair({ side: hostile }: Hostile): Pair {
  return pair(hostile, { ...hostile, body: Buffer.from(hostile.body) });
}
