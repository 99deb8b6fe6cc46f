import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Mail } from '../samples/held-out-mails.ts';
import { type Encoded, graph, model, node, tensor, value, WITH_TEXT } from './onnx.ts';
import type { Sparse } from './sparse-network.ts';

/**
 * How a mail becomes numbers, all of it inside the graph: cut into tokens, grams of tokens counted, log(1 + count), scaled
 * to a unit vector. `words` are the first `limit` runs between blanks, `lower` words of small letters, `characters` single.
 */
export type Features = {
  readonly name: string;
  readonly tokens:
    | { readonly kind: 'words'; readonly limit: number }
    | { readonly kind: 'lower' }
    | { readonly kind: 'characters' };
  /** Lengths of the grams, from and to; between the tokens of one up to `skips` others may stand. */
  readonly from: number;
  readonly to: number;
  readonly skips: number;
  /** How many grams are kept. */
  readonly count: number;
};

/** Features with the grams they count, shorter grams first. */
export type Vocabulary = { readonly features: Features; readonly grams: readonly (readonly string[])[] };

export type Part = { readonly nodes: readonly Encoded<'node'>[]; readonly constants: readonly Encoded<'tensor'>[] };

const LEAST_MAILS = 4;

/** Keeps the grams that tell spam from ham best among the training mails, by the chi-square statistic. */
export function chooseVocabulary(features: Features, mails: readonly Mail[]): Vocabulary {
  const seen = new Map<string, { spam: number; ham: number }>();
  for (const { text, isSpam } of mails) {
    for (const gram of new Set(gramsOf(features, tokensOf(features, text)))) {
      const count = seen.get(gram) ?? { spam: 0, ham: 0 };
      seen.set(gram, count);
      count[isSpam ? 'spam' : 'ham']++;
    }
  }
  const spam = mails.filter(({ isSpam }) => isSpam).length;
  const ranked = [...seen]
    .filter(([, count]) => count.spam + count.ham >= LEAST_MAILS)
    .map(([gram, count]) => ({ gram, score: chiSquare(count.spam, count.ham, spam, mails.length - spam) }))
    .sort((a, b) => b.score - a.score || (a.gram < b.gram ? -1 : 1));
  const grams = ranked.slice(0, features.count).map(({ gram }) => gram.split('\0'));
  return { features, grams: grams.sort((a, b) => a.length - b.length) };
}

/** The part of a graph that leads from `text` to the tensor `name`, [batch, number of grams]. */
export function featurePart({ features, grams }: Vocabulary): Part {
  const { name, from, to, skips } = features;
  const local = (suffix: string) => `${name}_${suffix}`;
  return {
    nodes: [
      ...tokenNodes(features, local),
      node('TfIdfVectorizer', [local('tokens')], [local('counts')], {
        mode: 'TF',
        min_gram_length: from,
        max_gram_length: to,
        max_skip_count: skips,
        ngram_counts: startsOf(grams, to),
        ngram_indexes: grams.map((_, index) => index),
        pool_strings: grams.flat(),
      }),
      node('Add', [local('counts'), local('one')], [local('raised')]),
      node('Log', [local('raised')], [local('logs')]),
      node('Mul', [local('logs'), local('logs')], [local('squares')]),
      node('ReduceSum', [local('squares'), local('axis')], [local('sum')], { keepdims: 1 }),
      node('Sqrt', [local('sum')], [local('length')]),
      node('Max', [local('length'), local('least')], [local('divisor')]),
      node('Div', [local('logs'), local('divisor')], [name]),
    ],
    constants: [
      tensor(local('one'), [], Float32Array.of(1)),
      tensor(local('least'), [], Float32Array.of(1e-6)),
      tensor(local('axis'), [1], BigInt64Array.of(1n)),
    ],
  };
}

/** The features of mails one after the other, computed by the very graph that will serve. */
export async function extract(vocabularies: readonly Vocabulary[], mails: readonly Mail[]): Promise<readonly Sparse[]> {
  const parts = vocabularies.map(featurePart);
  const names = vocabularies.map(({ features }) => features.name);
  const file = model(
    graph({
      name: 'features',
      nodes: [...parts.flatMap(({ nodes }) => nodes), node('Concat', names, ['features'], { axis: 1 })],
      initializers: parts.flatMap(({ constants }) => constants),
      inputs: [value('text', 'BYTES', ['batch'])],
      outputs: [value('features', 'FP32', ['batch', 'features'])],
    }),
    { producer: 'sluice', doc: 'features only', metadata: {} },
    WITH_TEXT,
  );
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const vectors: Sparse[] = [];
  for (const { text } of mails) {
    const { features } = await session.run({ text: new OrtTensor('string', [text], [1]) });
    vectors.push(sparse(features?.data as Float32Array));
  }
  await session.release();
  return vectors;
}

function tokenNodes({ tokens }: Features, local: (suffix: string) => string): readonly Encoded<'node'>[] {
  switch (tokens.kind) {
    case 'words':
      return [node('StringSplit', ['text'], [local('tokens'), local('number')], { maxsplit: tokens.limit })];
    case 'characters':
      return [
        node('com.microsoft:Tokenizer', ['text'], [local('tokens')], {
          separators: [''],
          pad_value: '',
          mark: 0,
          mincharnum: 1,
        }),
      ];
    case 'lower':
      return [
        // Without this locale onnxruntime asks for en_US, which slim systems lack.
        node('StringNormalizer', ['text'], [local('small')], {
          case_change_action: 'LOWER',
          is_case_sensitive: 1,
          locale: 'C.UTF-8',
        }),
        node('com.microsoft:Tokenizer', [local('small')], [local('tokens')], {
          tokenexp: WORD.source,
          pad_value: '',
          mark: 0,
          mincharnum: 1,
        }),
      ];
  }
}

const WORD = /[a-z0-9$]+/;

/** As the graph will cut it, near enough to choose grams by. */
function tokensOf({ tokens }: Features, text: string): readonly string[] {
  switch (tokens.kind) {
    case 'words':
      return text.trim().split(/\s+/).slice(0, tokens.limit);
    case 'characters':
      return [...text];
    case 'lower':
      return text.toLowerCase().match(new RegExp(WORD, 'g')) ?? [];
  }
}

function gramsOf({ from, to, skips }: Features, tokens: readonly string[]): readonly string[] {
  const grams: string[] = [];
  for (let length = from; length <= to; length++) {
    for (let step = 1; step <= (length === 1 ? 1 : skips + 1); step++) {
      for (let start = 0; start + (length - 1) * step < tokens.length; start++) {
        let gram = tokens[start] ?? '';
        for (let next = 1; next < length; next++) gram += `\0${tokens[start + next * step]}`;
        grams.push(gram);
      }
    }
  }
  return grams;
}

/** Pearson's statistic of the two-by-two table of "has the gram" and "is spam". */
function chiSquare(spamWith: number, hamWith: number, spam: number, ham: number): number {
  const all = spam + ham;
  const having = spamWith + hamWith;
  const difference = spamWith * (ham - hamWith) - hamWith * (spam - spamWith);
  return (all * difference ** 2) / (having * (all - having) * spam * ham || 1);
}

/** Where the strings of the grams of each length begin in the pool. */
function startsOf(grams: readonly (readonly string[])[], longest: number): readonly number[] {
  return Array.from({ length: longest }, (_, index) =>
    grams.filter((gram) => gram.length <= index).reduce((sum, gram) => sum + gram.length, 0),
  );
}

function sparse(dense: Float32Array): Sparse {
  const indexes = Int32Array.from(dense.keys()).filter((index) => dense[index] !== 0);
  return { indexes, values: Float32Array.from(indexes, (index) => dense[index] as number) };
}
