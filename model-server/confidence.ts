import { type ConfidenceKind, confidenceOf, widthOf } from './protocol/confidence.ts';
import type { Tensor } from './tensors.ts';

/** The confidence of a tensor of probabilities, by `protocol/confidence.ts`. Undefined for one that holds no floats. */
export function tensorConfidence({ data, shape }: Tensor, kind: ConfidenceKind): number | undefined {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return undefined;
  return confidenceOf(data, widthOf(shape), kind);
}
