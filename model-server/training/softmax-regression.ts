import { DIGIT_PIXELS } from '../samples/digits.ts';
import { type Dense, dense, denseBackward, denseForward } from './dense.ts';
import type { Network } from './fit.ts';
import { seeded } from './random.ts';

/** One linear layer from pixels to logits: fast, small, and right about nine times in ten. */
export type SoftmaxRegression = Network & { readonly output: Dense };

export function softmaxRegression(seed: number): SoftmaxRegression {
  const output = dense(DIGIT_PIXELS, 10, seeded(seed));
  // The problem is convex: zero is the customary start and leaves no random speckle on pixels that are always blank.
  output.weights.value.fill(0);
  let image: Float32Array = new Float32Array(DIGIT_PIXELS);
  return {
    output,
    parameters: [output.weights, output.bias],
    forward(input) {
      image = input;
      return denseForward(output, input);
    },
    backward(logitGradient) {
      denseBackward(output, image, logitGradient);
    },
  };
}
