import { type Parameter, randomParameter, zeroParameter } from './parameter.ts';
import type { Random } from './random.ts';
import { addScaled, at, dot } from './vector.ts';

/** The four positions of the convolution that one cell of the 2x2 pool looks at. */
const POOL = 4;

/** The shape of one layer: `channels` square planes of `side` x `side` in, `filters` kernels of `kernel` x `kernel`. */
export type ConvPoolShape = {
  readonly channels: number;
  readonly side: number;
  readonly filters: number;
  readonly kernel: number;
};

/**
 * Convolution (no padding, stride 1), ReLU and 2x2 max pooling in one. Planes come first, as in ONNX: input
 * [channels, side, side], weights [filters, channels, kernel, kernel], output [filters, cells], cells row by row.
 */
export type ConvPool = {
  readonly shape: ConvPoolShape;
  readonly weights: Parameter;
  readonly bias: Parameter;
  readonly cells: number;
  /** Values under one kernel: channels * kernel * kernel. */
  readonly patch: number;
  /** Which input value each place of each patch reads: [cells, POOL, patch]. All geometry is in this table. */
  readonly taps: Int32Array;
  /** The last input spread out as `taps` says, so that a convolution is a dot product. */
  readonly patches: Float32Array;
  /** Which patch won each cell of the last output, -1 where the ReLU cut it off: [filters, cells]. */
  readonly winners: Int32Array;
};

export function convPool(shape: ConvPoolShape, random: Random): ConvPool {
  const { channels, side, filters, kernel } = shape;
  const patch = channels * kernel * kernel;
  const cells = pooledSide(shape) ** 2;
  return {
    shape,
    weights: randomParameter(filters * patch, patch, random),
    bias: zeroParameter(filters),
    cells,
    patch,
    taps: Int32Array.from(tapsOf(channels, side, kernel)),
    patches: new Float32Array(cells * POOL * patch),
    winners: new Int32Array(filters * cells),
  };
}

/** Length of one side of the output. */
export function pooledSide({ side, kernel }: ConvPoolShape): number {
  return (side - kernel + 1) / 2;
}

/** [channels, side, side] to [filters, cells]; remembers what the backward pass needs. */
export function convPoolForward(layer: ConvPool, input: Float32Array): Float32Array {
  const { shape, cells, patch, taps, patches, winners } = layer;
  for (let i = 0; i < taps.length; i++) patches[i] = at(input, taps[i] as number);
  const output = new Float32Array(shape.filters * cells);
  for (let index = 0; index < output.length; index++) {
    const filter = Math.floor(index / cells);
    const first = (index % cells) * POOL;
    // Starting from zero is the ReLU: it commutes with the maximum.
    let largest = 0;
    let winner = -1;
    for (let candidate = first; candidate < first + POOL; candidate++) {
      const value =
        at(layer.bias.value, filter) + dot(patches, candidate * patch, layer.weights.value, filter * patch, patch);
      if (value > largest) {
        largest = value;
        winner = candidate;
      }
    }
    output[index] = largest;
    winners[index] = winner;
  }
  return output;
}

/** Adds the gradient of the last forward pass to the layer; only the winners of the pool have one. */
export function convPoolBackward(layer: ConvPool, outputGradient: Float32Array): void {
  const { patch, patches, weights, bias } = layer;
  eachWinner(layer, outputGradient, (filter, winner, gradient) => {
    bias.gradient[filter] = at(bias.gradient, filter) + gradient;
    addScaled(weights.gradient, filter * patch, gradient, patches, winner * patch, patch);
  });
}

/** The gradient of the last forward pass with respect to its input. */
export function convPoolInputGradient(layer: ConvPool, outputGradient: Float32Array): Float32Array {
  const { shape, patch, taps, weights } = layer;
  const inputGradient = new Float32Array(shape.channels * shape.side * shape.side);
  eachWinner(layer, outputGradient, (filter, winner, gradient) => {
    for (let i = 0; i < patch; i++) {
      const tap = taps[winner * patch + i] as number;
      inputGradient[tap] = at(inputGradient, tap) + gradient * at(weights.value, filter * patch + i);
    }
  });
  return inputGradient;
}

function eachWinner(
  { cells, winners }: ConvPool,
  outputGradient: Float32Array,
  visit: (filter: number, winner: number, gradient: number) => void,
): void {
  winners.forEach((winner, index) => {
    if (winner >= 0) visit(Math.floor(index / cells), winner, at(outputGradient, index));
  });
}

function* tapsOf(channels: number, side: number, kernel: number): Generator<number> {
  const pooled = pooledSide({ channels, side, kernel, filters: 0 });
  for (let position = 0; position < pooled * pooled * POOL; position++) {
    const cell = Math.floor(position / POOL);
    const top = 2 * Math.floor(cell / pooled) + ((position % POOL) >> 1);
    const left = 2 * (cell % pooled) + (position % 2);
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < kernel; row++) {
        for (let column = 0; column < kernel; column++) {
          yield (channel * side + top + row) * side + left + column;
        }
      }
    }
  }
}
