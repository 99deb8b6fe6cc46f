import { type Random, seeded, shuffled } from './random.ts';
import { at, dot } from './vector.ts';

/** A vector that is 0 but at `indexes`, where it has `values`. */
export type Sparse = { readonly indexes: Int32Array; readonly values: Float32Array };

/** Sparse vectors with what they are. */
export type Example = { readonly vector: Sparse; readonly isPositive: boolean };

/**
 * A network with one answer: logit = `output` . h + `bias`. With hidden units, h [hidden] = ReLU(`weights` [inputs, hidden]
 * applied to the vector + `hiddenBias`); with none, h is the vector itself.
 */
export type SparseNetwork = {
  readonly inputs: number;
  readonly hidden: number;
  readonly weights: Float32Array;
  readonly hiddenBias: Float32Array;
  readonly output: Float32Array;
  readonly bias: Float32Array;
};

export type SparseRecipe = {
  readonly seed: number;
  readonly hidden: number;
  readonly epochs: number;
  /** AdaGrad's step (Duchi, Hazan, Singer 2011). */
  readonly rate: number;
};

export type SparseEpoch = { readonly epoch: number; readonly loss: number; readonly validationLoss: number };

/** Trains by one example at a time and answers the network of the epoch with the least loss on the validation examples. */
export function fitSparse(
  inputs: number,
  training: readonly Example[],
  validation: readonly Example[],
  recipe: SparseRecipe,
  onEpoch: (epoch: SparseEpoch) => void,
): { readonly network: SparseNetwork; readonly best: SparseEpoch } {
  const random = seeded(recipe.seed);
  const network = randomNetwork(inputs, recipe.hidden, random);
  const trainer = { network, squares: zeroNetwork(inputs, recipe.hidden), recipe };
  let best: SparseEpoch = { epoch: 0, loss: Number.POSITIVE_INFINITY, validationLoss: Number.POSITIVE_INFINITY };
  let kept = copyOf(network);
  for (let epoch = 1; epoch <= recipe.epochs; epoch++) {
    let loss = 0;
    for (const index of shuffled(training.length, random)) loss += learn(trainer, training[index] as Example);
    const result = { epoch, loss: loss / training.length, validationLoss: lossOf(network, validation) };
    onEpoch(result);
    if (result.validationLoss < best.validationLoss) {
      best = result;
      kept = copyOf(network);
    }
  }
  return { network: kept, best };
}

type Trainer = { readonly network: SparseNetwork; readonly squares: SparseNetwork; readonly recipe: SparseRecipe };

/** One step; answers the cross-entropy before it. */
function learn(trainer: Trainer, { vector, isPositive }: Example): number {
  const { network } = trainer;
  const units = hiddenOf(network, vector);
  const chance = sigmoid(logitOf(network, vector, units));
  const error = chance - (isPositive ? 1 : 0);
  descend(trainer, 'bias', 0, error);
  if (network.hidden === 0) {
    for (let position = 0; position < vector.indexes.length; position++) {
      descend(trainer, 'output', vector.indexes[position] as number, error * at(vector.values, position));
    }
  } else {
    learnHidden(trainer, vector, units, error);
  }
  return crossEntropy(chance, isPositive);
}

function learnHidden(trainer: Trainer, vector: Sparse, units: Float32Array, error: number): void {
  const { hidden, output } = trainer.network;
  // Only units that the vector switched on have a gradient; it is read before the output weights move.
  const active = Int32Array.from(units.keys()).filter((unit) => at(units, unit) > 0);
  const back = Float32Array.from(active, (unit) => error * at(output, unit));
  for (let index = 0; index < active.length; index++) {
    const unit = active[index] as number;
    descend(trainer, 'output', unit, error * at(units, unit));
    descend(trainer, 'hiddenBias', unit, at(back, index));
  }
  for (let position = 0; position < vector.indexes.length; position++) {
    const start = (vector.indexes[position] as number) * hidden;
    const value = at(vector.values, position);
    for (let index = 0; index < active.length; index++) {
      descend(trainer, 'weights', start + (active[index] as number), at(back, index) * value);
    }
  }
}

/** AdaGrad: each weight has a rate of its own, which its past gradients have worn down. */
function descend(
  { network, squares, recipe }: Trainer,
  name: 'weights' | 'hiddenBias' | 'output' | 'bias',
  index: number,
  gradient: number,
): void {
  const square = at(squares[name], index) + gradient * gradient;
  squares[name][index] = square;
  network[name][index] = at(network[name], index) - (recipe.rate * gradient) / Math.sqrt(square + 1e-8);
}

function lossOf(network: SparseNetwork, examples: readonly Example[]): number {
  const losses = examples.map(({ vector, isPositive }) =>
    crossEntropy(sigmoid(logitOf(network, vector, hiddenOf(network, vector))), isPositive),
  );
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

function hiddenOf({ hidden, weights, hiddenBias }: SparseNetwork, { indexes, values }: Sparse): Float32Array {
  const units = hiddenBias.slice();
  for (let position = 0; position < indexes.length && hidden > 0; position++) {
    const value = at(values, position);
    const start = (indexes[position] as number) * hidden;
    for (let unit = 0; unit < hidden; unit++) units[unit] = at(units, unit) + value * at(weights, start + unit);
  }
  return units.map((unit) => Math.max(0, unit));
}

function logitOf({ hidden, output, bias }: SparseNetwork, vector: Sparse, units: Float32Array): number {
  if (hidden > 0) return at(bias, 0) + dot(output, 0, units, 0, hidden);
  return vector.indexes.reduce(
    (sum, index, position) => sum + at(output, index) * at(vector.values, position),
    at(bias, 0),
  );
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function crossEntropy(chance: number, isPositive: boolean): number {
  return -Math.log(Math.max(isPositive ? chance : 1 - chance, Number.MIN_VALUE));
}

function randomNetwork(inputs: number, hidden: number, random: Random): SparseNetwork {
  const network = zeroNetwork(inputs, hidden);
  // Inputs are unit vectors: no scaling by their number, or nothing would reach the hidden units.
  for (let index = 0; index < network.weights.length; index++) network.weights[index] = random() - 0.5;
  if (hidden > 0) {
    for (let unit = 0; unit < hidden; unit++) network.output[unit] = (2 * random() - 1) / Math.sqrt(hidden);
  }
  return network;
}

function zeroNetwork(inputs: number, hidden: number): SparseNetwork {
  return {
    inputs,
    hidden,
    weights: new Float32Array(inputs * hidden),
    hiddenBias: new Float32Array(hidden),
    output: new Float32Array(hidden === 0 ? inputs : hidden),
    bias: new Float32Array(1),
  };
}

function copyOf(network: SparseNetwork): SparseNetwork {
  const { weights, hiddenBias, output, bias } = network;
  return {
    ...network,
    weights: weights.slice(),
    hiddenBias: hiddenBias.slice(),
    output: output.slice(),
    bias: bias.slice(),
  };
}
