import { DIGIT_SIDE } from '../samples/digits.ts';
import type { Convolutional } from './convolutional.ts';
import { convPoolPart, densePart, digitsFile, type Part } from './digits-graphs.ts';
import { type ModelInfo, node, tensor } from './onnx.ts';

/**
 * Several networks that each look at the digit from several places, up to `reach` pixels away in each direction; the answer
 * is the mean of all their probabilities, in which near places weigh more. The interface is that of every digits model.
 */
export function ensembleFile(networks: readonly Convolutional[], reach: number, info: ModelInfo): Uint8Array {
  const members = networks.map((network, index) => memberPart(network, `member${index}`));
  return digitsFile('convolutional-ensemble', [viewsPart(reach), ...members, meanPart(networks.length, reach)], info);
}

/** `views` [places * batch, 1, 28, 28]: the whole batch seen from the first place, then from the next. */
function viewsPart(reach: number): Part {
  const offsets = Array.from({ length: 2 * reach + 1 }, (_, offset) => offset);
  const places = offsets.flatMap((down) => offsets.map((right) => ({ name: `view_${down}_${right}`, down, right })));
  const corner = (name: string, down: number, right: number) =>
    tensor(name, [2], BigInt64Array.of(BigInt(down), BigInt(right)));
  return {
    nodes: [
      // A 0 in the new shape copies the dimension of the input: the batch.
      node('Reshape', ['pixels', 'plane_shape'], ['plane']),
      node('Pad', ['plane', 'margins'], ['padded']),
      ...places.map(({ name }) => node('Slice', ['padded', `${name}_from`, `${name}_to`, 'plane_axes'], [name])),
      node(
        'Concat',
        places.map(({ name }) => name),
        ['views'],
        { axis: 0 },
      ),
    ],
    constants: [
      tensor('plane_shape', [4], BigInt64Array.of(0n, 1n, BigInt(DIGIT_SIDE), BigInt(DIGIT_SIDE))),
      tensor('margins', [8], BigInt64Array.from([0, 0, reach, reach, 0, 0, reach, reach], BigInt)),
      tensor('plane_axes', [2], BigInt64Array.of(2n, 3n)),
      ...places.flatMap(({ name, down, right }) => [
        corner(`${name}_from`, down, right),
        corner(`${name}_to`, down + DIGIT_SIDE, right + DIGIT_SIDE),
      ]),
    ],
  };
}

/** One network from `views` to `{name}` [places * batch, 10], its probabilities. */
function memberPart({ first, second, output }: Convolutional, name: string): Part {
  const parts = [
    convPoolPart(`${name}_first`, 'views', first),
    convPoolPart(`${name}_second`, `${name}_first`, second),
    densePart(`${name}_logits`, `${name}_features`, output),
  ];
  return {
    nodes: [
      ...parts.slice(0, 2).flatMap(({ nodes }) => nodes),
      node('Flatten', [`${name}_second`], [`${name}_features`], { axis: 1 }),
      ...parts.slice(2).flatMap(({ nodes }) => nodes),
      node('Softmax', [`${name}_logits`], [name], { axis: 1 }),
    ],
    constants: parts.flatMap(({ constants }) => constants),
  };
}

/** `logits` [batch, 10]: the logarithm of the mean, whose softmax is the mean itself. */
function meanPart(members: number, reach: number): Part {
  const along = binomial(2 * reach);
  const weights = Float32Array.from(along.flatMap((down) => along.map((right) => down * right)));
  return {
    nodes: [
      node(
        'Mean',
        Array.from({ length: members }, (_, index) => `member${index}`),
        ['of_members'],
      ),
      node('Reshape', ['of_members', 'by_place'], ['all']),
      node('Mul', ['all', 'place_weights'], ['weighted']),
      node('ReduceSum', ['weighted', 'place_axis'], ['mean'], { keepdims: 0 }),
      node('Log', ['mean'], ['logits']),
    ],
    constants: [
      tensor('by_place', [3], BigInt64Array.of(BigInt(weights.length), -1n, 10n)),
      tensor('place_weights', [weights.length, 1, 1], weights),
      tensor('place_axis', [1], BigInt64Array.of(0n)),
    ],
  };
}

/** The shares of 0 to `n` heads among n fair coins: a bell with an end. */
function binomial(n: number): readonly number[] {
  const shares = [1];
  for (let coin = 1; coin <= n; coin++) {
    shares.push(0);
    for (let heads = coin; heads >= 0; heads--) shares[heads] = ((shares[heads] ?? 0) + (shares[heads - 1] ?? 0)) / 2;
  }
  return shares;
}
