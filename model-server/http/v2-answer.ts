import { RequestError } from '../errors.ts';
import type { ReadyVersion } from '../repository/loader.ts';
import type { Tensor } from '../run/tensors.ts';
import { classify } from './classification.ts';
import { writeBytes } from './tensor-bytes.ts';
import { writeFlat } from './tensor-text.ts';
import type { InferCall, WantedOutput } from './v2.ts';

/** The body of an answer; `jsonBytes` is where its binary tensors begin, undefined when it has none. */
export type AnswerBody = { readonly bytes: Buffer; readonly jsonBytes: number | undefined };

/** Writes the answer to a v2 inference request; `outputs` must hold those that the call wants. */
export function writeInferResponse(
  version: ReadyVersion,
  call: InferCall,
  outputs: readonly Tensor[],
  confidence: number | undefined,
): AnswerBody {
  const binary: Buffer[] = [];
  const texts = call.outputs.map((wanted) => writeOutput(version, wanted, outputOf(outputs, wanted), binary));
  const head = `"model_name":"${version.model}","model_version":"${version.version}"`;
  const id = call.id === undefined ? '' : `,"id":${JSON.stringify(call.id)}`;
  const parameters = confidence === undefined ? '' : `,"parameters":{"confidence":${confidence}}`;
  const json = Buffer.from(`{${head}${id}${parameters},"outputs":[${texts.join(',')}]}`);
  return binary.length === 0
    ? { bytes: json, jsonBytes: undefined }
    : { bytes: Buffer.concat([json, ...binary]), jsonBytes: json.length };
}

function outputOf(outputs: readonly Tensor[], { name }: WantedOutput): Tensor {
  const output = outputs.find((tensor) => tensor.name === name);
  if (output === undefined) {
    throw new RequestError('run_failed', `the model did not answer output "${name}"`);
  }
  return output;
}

function writeOutput(version: ReadyVersion, wanted: WantedOutput, output: Tensor, binary: Buffer[]): string {
  const { name, isBinary, classes } = wanted;
  const tensor = classes === undefined ? output : classify(output, classes, version.labels.get(name));
  const head = `"name":${JSON.stringify(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape.join(',')}]`;
  if (!isBinary) {
    return `{${head},"data":${writeFlat(tensor)}}`;
  }
  const bytes = writeBytes(tensor);
  binary.push(bytes);
  return `{${head},"parameters":{"binary_data_size":${bytes.length}}}`;
}
