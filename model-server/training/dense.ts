import { type Parameter, randomParameter, zeroParameter } from './parameter.ts';
import type { Random } from './random.ts';
import { addScaled, at, dot } from './vector.ts';

/** A fully connected layer: weights [outputs, inputs], bias [outputs]; the orientation of ONNX Gemm with transB. */
export type Dense = {
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: Parameter;
  readonly bias: Parameter;
};

export function dense(inputs: number, outputs: number, random: Random): Dense {
  const weights = randomParameter(outputs * inputs, inputs, random);
  return { inputs, outputs, weights, bias: zeroParameter(outputs) };
}

/** [inputs] to [outputs]. */
export function denseForward({ inputs, weights, bias }: Dense, input: Float32Array): Float32Array {
  return bias.value.map((constant, output) => constant + dot(weights.value, output * inputs, input, 0, inputs));
}

/** Adds one example's gradient to the layer. */
export function denseBackward(layer: Dense, input: Float32Array, outputGradient: Float32Array): void {
  const { inputs, outputs, weights, bias } = layer;
  addScaled(bias.gradient, 0, 1, outputGradient, 0, outputs);
  for (let output = 0; output < outputs; output++) {
    addScaled(weights.gradient, output * inputs, at(outputGradient, output), input, 0, inputs);
  }
}

/** One example's gradient with respect to the layer's input. */
export function denseInputGradient({ inputs, outputs, weights }: Dense, outputGradient: Float32Array): Float32Array {
  const inputGradient = new Float32Array(inputs);
  for (let output = 0; output < outputs; output++) {
    addScaled(inputGradient, 0, at(outputGradient, output), weights.value, output * inputs, inputs);
  }
  return inputGradient;
}
