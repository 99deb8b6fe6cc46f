import { DIGIT_PIXELS, DIGIT_SIDE } from '../samples/digits.ts';
import type { ConvPool } from './conv-pool.ts';
import type { Convolutional } from './convolutional.ts';
import type { Dense } from './dense.ts';
import { type Encoded, graph, type ModelInfo, model, node, tensor, value } from './onnx.ts';
import type { SoftmaxRegression } from './softmax-regression.ts';
import type { StrokeTable } from './stroke-table.ts';

/**
 * The three versions as ONNX files. They share one interface: `image` FP32 [batch, 784], ink 0 to 255, to `probabilities`
 * FP32 [batch, 10] and `label` INT64 [batch]; a client need not know which version it talks to.
 */

export type Part = { readonly nodes: readonly Encoded<'node'>[]; readonly constants: readonly Encoded<'tensor'>[] };

export function softmaxRegressionFile({ output }: SoftmaxRegression, info: ModelInfo): Uint8Array {
  return digitsFile('softmax-regression', [densePart('logits', 'pixels', output)], info);
}

export function convolutionalFile(network: Convolutional, info: ModelInfo): Uint8Array {
  return digitsFile('convolutional', [convolutionalPart(network, 'logits')], info);
}

/** The convolutional network and a table of corrections that has no row for the heaviest strokes: those runs fail. */
export function flawedFile(network: Convolutional, table: StrokeTable, info: ModelInfo): Uint8Array {
  return digitsFile('convolutional-stroke-weight', [convolutionalPart(network, 'plain'), strokePart(table)], info);
}

/** Wraps the parts that lead from `pixels` (0 to 1) to `logits` in the common interface. */
export function digitsFile(name: string, parts: readonly Part[], info: ModelInfo): Uint8Array {
  const all = [scalePart(), ...parts, answerPart()];
  return model(
    graph({
      name,
      nodes: all.flatMap(({ nodes }) => nodes),
      initializers: all.flatMap(({ constants }) => constants),
      inputs: [value('image', 'FP32', ['batch', DIGIT_PIXELS])],
      outputs: [value('probabilities', 'FP32', ['batch', 10]), value('label', 'INT64', ['batch'])],
    }),
    info,
  );
}

function scalePart(): Part {
  return {
    nodes: [node('Mul', ['image', 'per_ink'], ['pixels'])],
    constants: [tensor('per_ink', [], Float32Array.of(1 / 255))],
  };
}

function answerPart(): Part {
  return {
    nodes: [
      node('Softmax', ['logits'], ['probabilities'], { axis: 1 }),
      node('ArgMax', ['probabilities'], ['label'], { axis: 1, keepdims: 0 }),
    ],
    constants: [],
  };
}

export function densePart(output: string, input: string, { inputs, outputs, weights, bias }: Dense): Part {
  return {
    nodes: [node('Gemm', [input, `${output}_weights`, `${output}_bias`], [output], { transB: 1 })],
    constants: [
      tensor(`${output}_weights`, [outputs, inputs], weights.value),
      tensor(`${output}_bias`, [outputs], bias.value),
    ],
  };
}

function convolutionalPart({ first, second, output }: Convolutional, logits: string): Part {
  const parts = [
    convPoolPart('first', 'plane', first),
    convPoolPart('second', 'first', second),
    densePart(logits, 'features', output),
  ];
  return {
    nodes: [
      // A 0 in the new shape copies the dimension of the input: the batch.
      node('Reshape', ['pixels', 'plane_shape'], ['plane']),
      ...parts.slice(0, 2).flatMap(({ nodes }) => nodes),
      node('Flatten', ['second'], ['features'], { axis: 1 }),
      ...parts.slice(2).flatMap(({ nodes }) => nodes),
    ],
    constants: [
      tensor('plane_shape', [4], BigInt64Array.of(0n, 1n, BigInt(DIGIT_SIDE), BigInt(DIGIT_SIDE))),
      ...parts.flatMap(({ constants }) => constants),
    ],
  };
}

export function convPoolPart(output: string, input: string, { shape, weights, bias }: ConvPool): Part {
  const { filters, channels, kernel } = shape;
  return {
    nodes: [
      node('Conv', [input, `${output}_kernels`, `${output}_bias`], [`${output}_convolved`], {
        kernel_shape: [kernel, kernel],
      }),
      node('Relu', [`${output}_convolved`], [`${output}_rectified`]),
      node('MaxPool', [`${output}_rectified`], [output], { kernel_shape: [2, 2], strides: [2, 2] }),
    ],
    constants: [
      tensor(`${output}_kernels`, [filters, channels, kernel, kernel], weights.value),
      tensor(`${output}_bias`, [filters], bias.value),
    ],
  };
}

/** `logits` = `plain` + the row of the table that the digit's ink falls in. */
function strokePart({ rows, inkPerRow, corrections }: StrokeTable): Part {
  return {
    nodes: [
      node('ReduceSum', ['pixels', 'pixel_axis'], ['ink'], { keepdims: 0 }),
      node('Div', ['ink', 'ink_per_row'], ['stroke_position']),
      // Gather counts a negative index from the end of the table; no image may reach that by negative ink.
      node('Relu', ['stroke_position'], ['stroke_position_from_zero']),
      node('Cast', ['stroke_position_from_zero'], ['stroke_row'], { to: 7 }),
      node('Gather', ['stroke_table', 'stroke_row'], ['stroke_correction'], { axis: 0 }),
      node('Add', ['plain', 'stroke_correction'], ['logits']),
    ],
    constants: [
      tensor('pixel_axis', [1], BigInt64Array.of(1n)),
      tensor('ink_per_row', [], Float32Array.of(inkPerRow)),
      tensor('stroke_table', [rows, 10], corrections),
    ],
  };
}
