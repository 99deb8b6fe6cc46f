import { DIGIT_SIDE } from '../samples/digits.ts';
import {
  type ConvPool,
  convPool,
  convPoolBackward,
  convPoolForward,
  convPoolInputGradient,
  pooledSide,
} from './conv-pool.ts';
import { type Dense, dense, denseBackward, denseForward, denseInputGradient } from './dense.ts';
import type { Network } from './fit.ts';
import { seeded } from './random.ts';

/** conv 5x5x8, ReLU, pool, conv 5x5x16, ReLU, pool, dense 10: [1, 28, 28], [8, 12, 12], [16, 4, 4], [10]. Or more filters. */
export type Convolutional = Network & { readonly first: ConvPool; readonly second: ConvPool; readonly output: Dense };

export function convolutional(seed: number, firstFilters = 8, secondFilters = 16): Convolutional {
  const random = seeded(seed);
  const first = convPool({ channels: 1, side: DIGIT_SIDE, filters: firstFilters, kernel: 5 }, random);
  const side = pooledSide(first.shape);
  const second = convPool({ channels: firstFilters, side, filters: secondFilters, kernel: 5 }, random);
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
