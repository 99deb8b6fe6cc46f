import { bytesTensor, type Encoded, graph, type ModelInfo, model, node, tensor, value, WITH_TEXT } from './onnx.ts';
import { featurePart, type Part, type Vocabulary } from './spam-features.ts';
import type { SparseNetwork } from './sparse-network.ts';
import { at } from './vector.ts';

/**
 * A spam model as an ONNX file: `text` BYTES [batch], a mail each, to `probabilities` FP32 [batch, 2] (ham, spam) and
 * `label` INT64 [batch]. All preprocessing is in the graph, so that no client can do it otherwise.
 */
export function spamFile(vocabularies: readonly Vocabulary[], network: SparseNetwork, info: ModelInfo): Uint8Array {
  const names = vocabularies.map(({ features }) => features.name);
  const parts: readonly Part[] = [
    ...vocabularies.map(featurePart),
    { nodes: [node('Concat', names, ['features'], { axis: 1 })], constants: [] },
    network.hidden === 0 ? linearPart(network) : hiddenPart(network),
    answerPart(),
  ];
  return model(
    graph({
      name: 'spam',
      nodes: parts.flatMap(({ nodes }) => nodes),
      initializers: parts.flatMap(({ constants }) => constants),
      inputs: [value('text', 'BYTES', ['batch'])],
      outputs: [value('probabilities', 'FP32', ['batch', 2]), value('label', 'INT64', ['batch'])],
    }),
    info,
    WITH_TEXT,
  );
}

function linearPart({ inputs, output, bias }: SparseNetwork): Part {
  return {
    nodes: [node('Gemm', ['features', 'output', 'bias'], ['logit'])],
    constants: [tensor('output', [inputs, 1], output), tensor('bias', [1], bias)],
  };
}

/** The wide matrix is kept as bytes, a scale for each unit; the runtime widens it once, when it loads. */
function hiddenPart({ inputs, hidden, weights, hiddenBias, output, bias }: SparseNetwork): Part {
  const scales = new Float32Array(hidden);
  weights.forEach((weight, index) => {
    const unit = index % hidden;
    scales[unit] = Math.max(at(scales, unit), Math.abs(weight) / 127);
  });
  const steps = Int8Array.from(weights, (weight, index) => Math.round(weight / at(scales, index % hidden)));
  return {
    nodes: [
      // Not DequantizeLinear, which the runtime would keep and compute anew in each run.
      node('Cast', ['weight_steps'], ['steps'], { to: 1 }),
      node('Mul', ['steps', 'weight_scales'], ['weights']),
      node('Gemm', ['features', 'weights', 'hidden_bias'], ['sums']),
      node('Relu', ['sums'], ['units']),
      node('Gemm', ['units', 'output', 'bias'], ['logit']),
    ],
    constants: [
      bytesTensor('weight_steps', [inputs, hidden], steps),
      tensor('weight_scales', [1, hidden], scales),
      tensor('hidden_bias', [hidden], hiddenBias),
      tensor('output', [hidden, 1], output),
      tensor('bias', [1], bias),
    ],
  };
}

function answerPart(): Part {
  const nodes: readonly Encoded<'node'>[] = [
    node('Mul', ['logit', 'both'], ['logits']),
    // The softmax of 0 and the logit is the sigmoid.
    node('Softmax', ['logits'], ['probabilities'], { axis: 1 }),
    node('ArgMax', ['probabilities'], ['label'], { axis: 1, keepdims: 0 }),
  ];
  return { nodes, constants: [tensor('both', [1, 2], Float32Array.of(0, 1))] };
}
