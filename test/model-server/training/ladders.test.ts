import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readHeldOut } from '../../../model-server/samples/held-out.ts';
import { readMails } from '../../../model-server/samples/held-out-mails.ts';
import { splitMails, textOfMail } from '../../../model-server/training/mails.ts';
import { measure, type Score } from '../../../model-server/training/measure.ts';
import { measureMails } from '../../../model-server/training/measure-mails.ts';
import { graph, model, node, tensor, value, WITH_TEXT } from '../../../model-server/training/onnx.ts';
import {
  DATA_FOLDER,
  HELD_OUT_MAILS,
  TIERS,
  TRAINING_README,
  tierFile,
} from '../../../model-server/training/project-files.ts';
import { openSpamFilter } from '../../../model-server/training/spam-filter.ts';
import { type Example, fitSparse } from '../../../model-server/training/sparse-network.ts';

/** Another processor may round the last bit of a sum differently and tip an input that lies on the fence. */
const ROUNDING = 3;

/** One tier after the other: run side by side they would take each other's time. */
async function measureLadder(task: 'digits' | 'spam'): Promise<Score[]> {
  const digits = readHeldOut(DATA_FOLDER);
  const mails = readMails(HELD_OUT_MAILS);
  const scores: Score[] = [];
  for (const tier of TIERS) {
    const file = tierFile(task, tier);
    scores.push(task === 'digits' ? await measure(file, digits) : await measureMails(file, mails));
  }
  return scores;
}

for (const task of ['digits', 'spam'] as const) {
  test(`the ${task} ladder scores what the README says, rises, and its last step costs over ten times its first`, async (t) => {
    const scores = await measureLadder(task);
    for (const [index, { correct, failed, medianMicroseconds }] of scores.entries()) {
      const name = `${task}-${TIERS[index]}`;
      const stated = statedCorrect(name);
      t.diagnostic(`${name}: ${correct} right, ${medianMicroseconds.toFixed(0)} µs a run`);
      assert.equal(failed, 0);
      assert.ok(Math.abs(correct - stated) <= ROUNDING, `${name}: ${correct}, stated ${stated}`);
    }
    const [fast, balanced, accurate] = scores as [Score, Score, Score];
    assert.ok(fast.correct < balanced.correct && balanced.correct < accurate.correct);
    assert.ok(accurate.medianMicroseconds >= 10 * fast.medianMicroseconds);
  });
}

test('there are at least a thousand held-out mails, of both kinds, none twice', () => {
  const mails = readMails(HELD_OUT_MAILS);
  assert.ok(mails.length >= 1000);
  const spam = mails.filter(({ isSpam }) => isSpam).length;
  assert.ok(spam > 200 && mails.length - spam > 200);
  const { heldOut, validation, training } = splitMails(mails);
  assert.equal(heldOut.length + validation.length + training.length, mails.length, 'no two say the same');
  assert.ok(mails.every(({ text }) => !text.includes('\0')));
});

test('the models and mails stay small enough to commit', () => {
  const files = TIERS.flatMap((tier) => [tierFile('digits', tier), tierFile('spam', tier)]);
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  assert.ok(bytes < 8 * 1024 * 1024, `${bytes} bytes of models`);
  assert.ok(statSync(HELD_OUT_MAILS).size < 3 * 1024 * 1024);
});

test('a batch of mails is judged as they are one by one, and an empty one is judged too', async () => {
  const texts = [
    '',
    ...readMails(HELD_OUT_MAILS)
      .slice(0, 15)
      .map(({ text }) => text),
  ];
  for (const tier of TIERS) {
    const filter = await openSpamFilter(tierFile('spam', tier));
    const together = await filter.judge(texts);
    for (const [row, text] of texts.entries()) {
      const [alone] = await filter.judge([text]);
      assert.ok(Math.abs((together[row] ?? 0) - (alone ?? 1)) < 1e-5, `${tier}, mail ${row}`);
    }
    await filter.close();
  }
});

test('a mail is its subject and its body', () => {
  const raw = 'From: a@b\r\nSubject: Hello\r\n  again\r\nTo: c@d\r\n\r\nBody\0 here\r\n\r\nmore';
  assert.equal(textOfMail(raw), 'Hello again\n\nBody  here\n\nmore');
  assert.equal(textOfMail('no header end'), '\n\n');
  assert.equal(textOfMail(`Subject: x\n\n${'y'.repeat(50_000)}`).length, 8_000);
});

test('mails whose letters agree are one mail', () => {
  const mail = (text: string) => ({ text, isSpam: true });
  const { heldOut } = splitMails([mail('Buy 3 now!'), mail('buy   4 NOW'), mail('other')]);
  assert.equal(heldOut.length, 2);
});

for (const hidden of [0, 4]) {
  test(`a sparse network with ${hidden} hidden units learns what it is shown`, () => {
    const examples: Example[] = Array.from({ length: 60 }, (_, index) => ({
      vector: { indexes: Int32Array.of(index % 2, 2), values: Float32Array.of(1, 0.5) },
      isPositive: index % 2 === 1,
    }));
    const recipe = { seed: 3, hidden, epochs: 10, rate: 0.3 };
    const { network, best } = fitSparse(3, examples, examples, recipe, () => undefined);
    assert.ok(best.validationLoss < 0.1, String(best.validationLoss));
    assert.equal(network.hidden, hidden);
    assert.deepEqual(fitSparse(3, examples, examples, recipe, () => undefined).best, best, 'the same every time');
  });
}

test('the writer writes operators of other domains, text, lists of text and fractions', async () => {
  const file = model(
    graph({
      name: 'text',
      nodes: [
        node('com.microsoft:Tokenizer', ['text'], ['tokens'], {
          tokenexp: '[a-z]+',
          pad_value: '',
          mark: 0,
          mincharnum: 1,
        }),
        node('TfIdfVectorizer', ['tokens'], ['counts'], {
          mode: 'TF',
          min_gram_length: 1,
          max_gram_length: 1,
          max_skip_count: 0,
          ngram_counts: [0],
          ngram_indexes: [0, 1],
          pool_strings: ['ham', 'spam'],
        }),
        node('LeakyRelu', ['counts'], ['positive'], { alpha: { float: 0.25 } }),
        node('Sub', ['positive', 'one'], ['shifted']),
        node('LeakyRelu', ['shifted'], ['y'], { alpha: { float: 0.25 } }),
      ],
      initializers: [tensor('one', [], Float32Array.of(1))],
      inputs: [value('text', 'BYTES', ['batch'])],
      outputs: [value('y', 'FP32', ['batch', 2])],
    }),
    { producer: 'sluice', doc: 'a test', metadata: {} },
    WITH_TEXT,
  );
  const session = await InferenceSession.create(file);
  const { y } = await session.run({ text: new Tensor('string', ['spam spam eggs', 'ham'], [2]) });
  assert.deepEqual(y?.data, Float32Array.of(-0.25, 1, 0, -0.25));
  await session.release();
});

/** "| spam-fast | 93.58 % (…) | 1123 / 1200 | …" */
function statedCorrect(name: string): number {
  const [, correct] =
    new RegExp(`^\\| ${name} +\\|[^|]*\\| (\\d+) / \\d+ `, 'm').exec(readFileSync(TRAINING_README, 'utf8')) ?? [];
  return Number(correct);
}
