import type { Random } from './random.ts';
import { at } from './vector.ts';

/** What training changes: values, the gradient summed up so far, and the momentum of earlier steps; all of one length. */
export type Parameter = {
  readonly value: Float32Array;
  readonly gradient: Float32Array;
  readonly velocity: Float32Array;
};

export function zeroParameter(length: number): Parameter {
  return { value: new Float32Array(length), gradient: new Float32Array(length), velocity: new Float32Array(length) };
}

/** Uniform in ±sqrt(6 / fanIn), which keeps the variance through a ReLU layer (He et al. 2015). */
export function randomParameter(length: number, fanIn: number, random: Random): Parameter {
  const limit = Math.sqrt(6 / fanIn);
  const parameter = zeroParameter(length);
  parameter.value.set(parameter.value.map(() => (2 * random() - 1) * limit));
  return parameter;
}

/** One step of gradient descent with momentum; the gradient starts again at zero. */
export function descend({ value, gradient, velocity }: Parameter, rate: number, momentum: number): void {
  for (let i = 0; i < value.length; i++) {
    const step = momentum * at(velocity, i) - rate * at(gradient, i);
    velocity[i] = step;
    value[i] = at(value, i) + step;
  }
  gradient.fill(0);
}
