import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest } from '../errors.ts';
import { isObject } from '../protocol/json.ts';
import { jsonLengthOf } from '../protocol/json-length.ts';
import { DATATYPES, JSON_LENGTH_HEADER, MAX_ID_LENGTH } from '../protocol/names.ts';
import { show } from '../protocol/show.ts';
import { InputCheck, type Port, pickOutputs, type Signature, takesWholeNumbers } from '../run/signature.ts';
import { readData, type Tensor } from '../run/tensors.ts';
import { parseJson } from './json.ts';
import {
  type Parameters,
  parametersOf,
  type RequestParameters,
  readFlag,
  readRequestParameters,
  readWhole,
} from './parameters.ts';
import { readBytes, readText } from './tensor-bytes.ts';

/** An output a request wants: as JSON or as bytes, or only its so many largest classes. */
export type WantedOutput = {
  readonly name: string;
  readonly isBinary: boolean;
  readonly classes: number | undefined;
};

/** A checked v2 inference request. */
export type InferCall = RequestParameters & {
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly WantedOutput[];
};

/**
 * Checks the body of `POST /v2/models/{m}/infer` against a signature; whatever is wrong is refused here. `jsonLength` is
 * the protocol's header of that name: the bytes of JSON before the binary tensors, 0 for a body of nothing but a tensor.
 */
export function readInferRequest(body: unknown, jsonLength: string | undefined, signature: Signature): InferCall {
  const length = jsonLength === undefined ? undefined : readJsonLength(jsonLength, body);
  if (length === 0) {
    return readRawRequest(body as Buffer, signature);
  }
  const json = length === undefined ? body : (body as Buffer).subarray(0, length);
  const request = parseJson(json, { exact: takesWholeNumbers(signature) });
  if (!isObject(request)) {
    throw badRequest(`the body must be a JSON object with "inputs", got ${show(request)}`);
  }
  const parameters = readRequestParameters(parametersOf(request.parameters, 'the request'));
  const outputs = readOutputs(request.outputs, parameters.binaryOutput, signature);
  const bytes = new BinaryPart(length === undefined ? undefined : (body as Buffer).subarray(length));
  const inputs = readInputs(request.inputs, signature, bytes);
  bytes.complete();
  return { ...parameters, id: readId(request.id), outputs, inputs };
}

/** Reads the inputs of a request that lies as JSON beside a model; rejects when it is none for this signature. */
export async function readWarmUpRequest(
  folder: string,
  file: string,
  signature: Signature,
): Promise<readonly Tensor[]> {
  const body = await readFile(join(folder, file)).catch(() => {
    throw new Error(`warm_up: there is no file ${file} beside model.onnx`);
  });
  try {
    return readInferRequest(body, undefined, signature).inputs;
  } catch (error) {
    throw new Error(`warm_up: ${file}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** The binary tensors of a request, taken from the front one after the other. */
class BinaryPart {
  #rest: Buffer | undefined;

  constructor(bytes: Buffer | undefined) {
    this.#rest = bytes;
  }

  take(size: number, where: string): Buffer {
    if (this.#rest === undefined) {
      throw badRequest(`${where} has binary_data_size, but the request has no header ${JSON_LENGTH_HEADER}`);
    }
    if (size > this.#rest.length) {
      throw badRequest(`${where} states ${size} bytes of binary data, ${this.#rest.length} are left in the body`);
    }
    const taken = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    return taken;
  }

  complete(): void {
    if (this.#rest !== undefined && this.#rest.length > 0) {
      throw badRequest(`the body ends with ${this.#rest.length} bytes that no input states as its binary_data_size`);
    }
  }
}

function readJsonLength(text: string, body: unknown): number {
  const size = Buffer.isBuffer(body) ? body.length : 0;
  const length = jsonLengthOf(text);
  if (length < 0 || length > size) {
    throw badRequest(`${JSON_LENGTH_HEADER} must be a number from 0 to ${size}, the length of the body`);
  }
  if (size === 0) {
    throw badRequest('the request has no body');
  }
  return length;
}

/** A body that is the bytes of the model's only input: one row, or as many as fill the only size that varies. */
function readRawRequest(body: Buffer, signature: Signature): InferCall {
  const [port, ...others] = signature.inputs;
  if (port === undefined || others.length > 0) {
    throw badRequest('a body of nothing but bytes needs a model with exactly one input');
  }
  const where = `input "${port.name}"`;
  // One element of BYTES is the whole body, without a length before it.
  const isText = port.datatype === 'BYTES';
  const shape = new InputCheck(signature).shape(port, isText ? port.shape.map(() => 1) : rawShape(port, body.length));
  const data = isText ? [readText(body, `${where}: the body`)] : readBytes(body, port.datatype, shape, where);
  const outputs = readOutputs(undefined, true, signature);
  const input = { name: port.name, datatype: port.datatype, shape, data };
  return { id: undefined, inputs: [input], outputs, timeoutMs: undefined, priority: undefined, binaryOutput: true };
}

function readId(id: unknown): string | undefined {
  if (id !== undefined && (typeof id !== 'string' || id.length > MAX_ID_LENGTH)) {
    throw badRequest(`"id" must be a string of at most ${MAX_ID_LENGTH} characters`);
  }
  return id;
}

function readInputs(inputs: unknown, signature: Signature, bytes: BinaryPart): readonly Tensor[] {
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw badRequest(`"inputs" must be an array with a tensor for each input of the model, got ${show(inputs)}`);
  }
  const check = new InputCheck(signature);
  const tensors = inputs.map((input: unknown) => readInput(input, check, bytes));
  check.complete();
  return tensors;
}

function readInput(input: unknown, check: InputCheck, bytes: BinaryPart): Tensor {
  if (!isObject(input)) {
    throw badRequest(`each of "inputs" must be an object with name, shape, datatype and data, got ${show(input)}`);
  }
  const port = check.port(input.name);
  const where = `input "${port.name}"`;
  check.datatype(port, input.datatype);
  const shape = check.shape(port, input.shape);
  const size = readWhole(parametersOf(input.parameters, where), 'binary_data_size', where, 0);
  if (size !== undefined && input.data !== undefined) {
    throw badRequest(`${where} has both data and binary_data_size`);
  }
  const data =
    size === undefined
      ? readData(input.data, port.datatype, shape, where)
      : readBytes(bytes.take(size, where), port.datatype, shape, where);
  return { name: port.name, datatype: port.datatype, shape, data };
}

function readOutputs(outputs: unknown, isBinary: boolean, signature: Signature): readonly WantedOutput[] {
  if (outputs !== undefined && !Array.isArray(outputs)) {
    throw badRequest(`"outputs" must be an array of objects with a name, got ${show(outputs)}`);
  }
  const wanted = (outputs ?? []).map((output: unknown) => {
    if (!isObject(output)) {
      throw badRequest(`each of "outputs" must be an object with a name, got ${show(output)}`);
    }
    return { name: output.name, parameters: parametersOf(output.parameters, `output ${show(output.name)}`) };
  });
  const ports = pickOutputs(
    signature,
    wanted.map(({ name }) => name),
  );
  return ports.map((port, index) => readOutput(port, wanted[index]?.parameters ?? {}, isBinary));
}

function readOutput(port: Port, parameters: Parameters, isBinaryByDefault: boolean): WantedOutput {
  const where = `output "${port.name}"`;
  const isBinary = readFlag(parameters, 'binary_data', where) ?? isBinaryByDefault;
  const classes = readWhole(parameters, 'classification', where, 1);
  if (port.datatype === 'FP16' && !isBinary && classes === undefined) {
    throw badRequest(
      `${where} is FP16, which has no JSON form: ask for it with the parameter binary_data, or name others`,
    );
  }
  return { name: port.name, isBinary, classes };
}

/** The shape of a raw tensor: the size that varies takes what the bytes fill; a batch before it is 1. */
function rawShape({ name, datatype, shape }: Port, bytes: number): readonly number[] {
  const varying = shape.flatMap((dim, axis) => (typeof dim === 'string' ? [axis] : []));
  const axis = varying.at(-1);
  if (varying.length > (varying[0] === 0 ? 2 : 1)) {
    throw badRequest(`input "${name}" has several sizes that vary: send its shape as JSON before the bytes`);
  }
  const fixed = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
  const perUnit = fixed.reduce((product, dim) => product * dim, 1) * (DATATYPES[datatype].bytes ?? 1);
  // A length that does not fill whole units is refused with the tensor, whose bytes it then is not.
  return fixed.map((dim, index) => (index === axis ? Math.max(1, Math.floor(bytes / perUnit)) : dim));
}
