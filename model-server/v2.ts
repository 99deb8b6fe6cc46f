import { badRequest, show } from './errors.ts';
import { isObject } from './json.ts';
import type { ReadyVersion } from './models.ts';
import { MAX_ID_LENGTH } from './protocol.ts';
import { InputCheck, pickOutputs, type Signature } from './signature.ts';
import { readData, type Tensor, writeFlat } from './tensors.ts';

/** A checked v2 inference request. */
export type InferCall = {
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
};

/** Checks the parsed body of `POST /v2/models/{m}/infer` against a signature; whatever is wrong is refused here. */
export function readInferRequest(body: unknown, signature: Signature): InferCall {
  if (!isObject(body)) {
    throw badRequest(`the body must be a JSON object with "inputs", got ${show(body)}`);
  }
  refuseUnsupported(body.parameters, 'the request');
  const id = readId(body.id);
  const outputs = readOutputs(body.outputs, signature);
  return { id, outputs, inputs: readInputs(body.inputs, signature) };
}

/** Writes the answer to a v2 inference request. */
export function writeInferResponse(version: ReadyVersion, id: string | undefined, outputs: readonly Tensor[]): string {
  const head = `"model_name":"${version.model}","model_version":"${version.version}"`;
  const echoed = id === undefined ? '' : `,"id":${JSON.stringify(id)}`;
  return `{${head}${echoed},"outputs":[${outputs.map(writeOutput).join(',')}]}`;
}

function writeOutput(tensor: Tensor): string {
  const { name, datatype, shape } = tensor;
  const head = `"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}]`;
  return `{${head},"data":${writeFlat(tensor)}}`;
}

function readId(id: unknown): string | undefined {
  if (id !== undefined && (typeof id !== 'string' || id.length > MAX_ID_LENGTH)) {
    throw badRequest(`"id" must be a string of at most ${MAX_ID_LENGTH} characters`);
  }
  return id;
}

function readInputs(inputs: unknown, signature: Signature): readonly Tensor[] {
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw badRequest(`"inputs" must be an array with a tensor for each input of the model, got ${show(inputs)}`);
  }
  const check = new InputCheck(signature);
  const tensors = inputs.map((input: unknown) => readInput(input, check));
  check.complete();
  return tensors;
}

function readInput(input: unknown, check: InputCheck): Tensor {
  if (!isObject(input)) {
    throw badRequest(`each of "inputs" must be an object with name, shape, datatype and data, got ${show(input)}`);
  }
  const port = check.port(input.name);
  const where = `input "${port.name}"`;
  refuseUnsupported(input.parameters, where);
  check.datatype(port, input.datatype);
  const shape = check.shape(port, input.shape);
  const data = readData(input.data, port.datatype, shape, where);
  return { name: port.name, datatype: port.datatype, shape, data };
}

function readOutputs(outputs: unknown, signature: Signature): readonly string[] {
  if (outputs === undefined) {
    return pickOutputs(signature, []);
  }
  if (!Array.isArray(outputs)) {
    throw badRequest(`"outputs" must be an array of objects with a name, got ${show(outputs)}`);
  }
  const names = outputs.map((output: unknown) => {
    if (!isObject(output)) {
      throw badRequest(`each of "outputs" must be an object with a name, got ${show(output)}`);
    }
    refuseUnsupported(output.parameters, `output ${show(output.name)}`);
    return output.name;
  });
  return pickOutputs(signature, names);
}

// To answer JSON to somebody who asked for something else would look like success.
const UNSUPPORTED = new Map([
  ['binary_data_size', 'binary tensors are not supported yet'],
  ['binary_data', 'binary tensors are not supported yet'],
  ['binary_data_output', 'binary tensors are not supported yet'],
  ['classification', 'the classification extension is not supported yet'],
]);

function refuseUnsupported(parameters: unknown, where: string): void {
  if (parameters === undefined) {
    return;
  }
  if (!isObject(parameters)) {
    throw badRequest(`parameters of ${where} must be an object, got ${show(parameters)}`);
  }
  for (const [name, value] of Object.entries(parameters)) {
    const reason = value === false ? undefined : UNSUPPORTED.get(name);
    if (reason !== undefined) {
      throw badRequest(`parameter ${name} of ${where}: ${reason}`);
    }
  }
}
