import {
  type ConvPool,
  convPool,
  convPoolBackward,
  convPoolForward,
  convPoolInputGradient,
  pooledSide,
} from './conv-pool.ts';
import { type Dense, dense, denseBackward, denseForward, denseInputGradient } from './dense.ts';
import { DIGIT_SIDE } from './digits-data.ts';
import type { Network } from './fit.ts';
import { seeded } from './random.ts';

/** conv 5x5x8, ReLU, pool, conv 5x5x16, ReLU, pool, dense 10: [1, 28, 28], [8, 12, 12], [16, 4, 4], [10]. */
export type Convolutional = Network & { readonly first: ConvPool; readonly second: ConvPool; readonly output: Dense };

export function convolutional(seed: number): Convolutional {
  const random = seeded(seed);
  const first = convPool({ channels: 1, side: DIGIT_SIDE, filters: 8, kernel: 5 }, random);
  const second = convPool({ channels: 8, side: pooledSide(first.shape), filters: 16, kernel: 5 }, random);
  const output = dense(second.shape.filters * second.cells, 10, random);
  let features: Float32Array = new Float32Array(output.inputs);
  return {
    first,
    second,
    output,
    parameters: [first, second, output].flatMap(({ weights, bias }) => [weights, bias]),
    forward(image) {
      features = convPoolForward(second, convPoolForward(first, image));
      return denseForward(output, features);
    },
    backward(logitGradient) {
      const featureGradient = denseInputGradient(output, logitGradient);
      denseBackward(output, features, logitGradient);
      convPoolBackward(second, featureGradient);
      convPoolBackward(first, convPoolInputGradient(second, featureGradient));
    },
  };
}
