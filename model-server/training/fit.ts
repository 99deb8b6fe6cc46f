import { DIGIT_SIDE, type Digits } from '../samples/digits.ts';
import { imageOf } from './digits-data.ts';
import { descend, type Parameter } from './parameter.ts';
import { type Random, seeded, shuffled, wholeNumber } from './random.ts';
import { argMax, at, softmax } from './vector.ts';

/** What `fit` can train: logits [10] of an image [784] with intensities 0 to 1, and the way back. */
export type Network = {
  readonly parameters: readonly Parameter[];
  forward(image: Float32Array): Float32Array;
  /** Adds the gradient of the image last given to `forward`. */
  backward(logitGradient: Float32Array): void;
};

export type Recipe = {
  readonly seed: number;
  readonly epochs: number;
  readonly batch: number;
  /** Learning rate of the first step; it falls in a straight line to a twentieth at the last. */
  readonly rate: number;
  readonly momentum: number;
  /** Each training digit is moved by up to this many pixels in each direction, anew in each epoch. */
  readonly shift: number;
};

export type Epoch = { readonly epoch: number; readonly loss: number; readonly validationAccuracy: number };

/** Trains in place and leaves the network as it was after its best epoch on the validation digits; answers that epoch. */
export function fit(
  network: Network,
  training: Digits,
  validation: Digits,
  recipe: Recipe,
  onEpoch: (epoch: Epoch) => void,
): Epoch {
  const random = seeded(recipe.seed);
  let best: Epoch = { epoch: 0, loss: Number.POSITIVE_INFINITY, validationAccuracy: -1 };
  let bestValues: Float32Array[] = [];
  for (let epoch = 1; epoch <= recipe.epochs; epoch++) {
    const loss = runEpoch(network, training, recipe, epoch, random);
    const result = { epoch, loss, validationAccuracy: accuracyOf(network, validation) };
    onEpoch(result);
    if (result.validationAccuracy > best.validationAccuracy) {
      best = result;
      bestValues = network.parameters.map(({ value }) => value.slice());
    }
  }
  bestValues.forEach((values, index) => {
    network.parameters[index]?.value.set(values);
  });
  return best;
}

/** One pass over the training digits in a new order; answers the mean cross-entropy. */
function runEpoch(network: Network, training: Digits, recipe: Recipe, epoch: number, random: Random): number {
  const { batch, epochs, momentum } = recipe;
  const order = shuffled(training.count, random);
  const steps = Math.ceil(training.count / batch);
  let loss = 0;
  for (let step = 0; step < steps; step++) {
    const rows = order.slice(step * batch, (step + 1) * batch);
    for (const row of rows) {
      const image = shifted(imageOf(training, row), recipe.shift, random);
      loss += learn(network, image, training.labels[row] as number, rows.length);
    }
    const done = ((epoch - 1) * steps + step) / (epochs * steps);
    const rate = recipe.rate * (1 - 0.95 * done);
    for (const parameter of network.parameters) descend(parameter, rate, momentum);
  }
  return loss / training.count;
}

/** Adds one digit's share of its batch to the gradients; answers its cross-entropy. */
function learn(network: Network, image: Float32Array, label: number, batch: number): number {
  const probabilities = softmax(network.forward(image));
  const chance = at(probabilities, label);
  // The gradient of softmax and cross-entropy together is the probabilities minus the one-hot label.
  probabilities[label] = chance - 1;
  network.backward(probabilities.map((value) => value / batch));
  return -Math.log(Math.max(chance, Number.MIN_VALUE));
}

function accuracyOf(network: Network, digits: Digits): number {
  let correct = 0;
  for (let row = 0; row < digits.count; row++) {
    if (argMax(network.forward(imageOf(digits, row))) === digits.labels[row]) correct++;
  }
  return correct / digits.count;
}

/** The image moved by a random offset; what leaves the frame is lost, what enters is blank. */
function shifted(image: Float32Array, shift: number, random: Random): Float32Array {
  if (shift === 0) return image;
  const down = wholeNumber(2 * shift + 1, random) - shift;
  const right = wholeNumber(2 * shift + 1, random) - shift;
  return image.map((_, index) => {
    const row = Math.floor(index / DIGIT_SIDE) - down;
    const column = (index % DIGIT_SIDE) - right;
    const inside = row >= 0 && row < DIGIT_SIDE && column >= 0 && column < DIGIT_SIDE;
    return inside ? at(image, row * DIGIT_SIDE + column) : 0;
  });
}
