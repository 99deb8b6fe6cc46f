import { badRequest } from '../errors.ts';
import { isObject } from '../protocol/json.ts';
import { show } from '../protocol/show.ts';
import { InputCheck, type Port, type Signature } from '../run/signature.ts';
import { readData, shapeOf, type Tensor } from '../run/tensors.ts';
import { readText } from './tensor-bytes.ts';
import { writeNested, writeRows } from './tensor-text.ts';

/** A checked v1 prediction: `instances` gives rows and wants rows back, `inputs` gives and wants columns. */
export type PredictCall = { readonly form: 'instances' | 'inputs'; readonly inputs: readonly Tensor[] };

/** TensorFlow Serving's name of the signature a model has when it has one. */
export const SIGNATURE_NAME = 'serving_default';

/** Checks the parsed body of `POST /v1/models/{m}:predict` against a signature; shapes are those of the nesting. */
export function readPredictRequest(body: unknown, signature: Signature): PredictCall {
  if (!isObject(body) || Object.hasOwn(body, 'instances') === Object.hasOwn(body, 'inputs')) {
    throw badRequest('the body must be a JSON object with either "instances" or "inputs"');
  }
  if (body.signature_name !== undefined && body.signature_name !== SIGNATURE_NAME) {
    throw badRequest(`a model here has one signature, "${SIGNATURE_NAME}", got ${show(body.signature_name)}`);
  }
  const form = Object.hasOwn(body, 'instances') ? 'instances' : 'inputs';
  const columns =
    form === 'instances' ? columnsOf(body.instances, signature) : named(body.inputs, signature, '"inputs"');
  const check = new InputCheck(signature);
  const inputs = [...columns].map(([name, value]) => readColumn(check.port(name), value, check));
  check.complete();
  return { form, inputs };
}

/** Writes the answer to a v1 prediction; a model's only output goes without its name. */
export function writePredictResponse({ form }: PredictCall, outputs: readonly Tensor[]): string {
  return form === 'instances'
    ? `{"predictions":[${rowsOf(outputs).join(',')}]}`
    : `{"outputs":${withNames(outputs, outputs.map(writeNested))}}`;
}

function readColumn(port: Port, value: unknown, check: InputCheck): Tensor {
  const where = `input "${port.name}"`;
  const shape = check.shape(port, shapeOf(value, where));
  const values = port.datatype === 'BYTES' ? withText(value, where) : value;
  return { name: port.name, datatype: port.datatype, shape, data: readData(values, port.datatype, shape, where) };
}

/** Values in which `{"b64": "..."}`, TensorFlow Serving's way to write bytes, is the text it stands for. */
function withText(value: unknown, where: string): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => withText(item, where));
  }
  return isObject(value) && typeof value.b64 === 'string'
    ? readText(Buffer.from(value.b64, 'base64'), `${where}: b64`)
    : value;
}

/** Turns rows into one list of values for each input. */
function columnsOf(instances: unknown, signature: Signature): ReadonlyMap<string, unknown> {
  if (!Array.isArray(instances) || instances.length === 0) {
    throw badRequest(`"instances" must be an array of at least one row, got ${show(instances)}`);
  }
  const columns = new Map<string, unknown[]>(signature.inputs.map(({ name }) => [name, []]));
  instances.forEach((row: unknown, index) => {
    const values = named(row, signature, `row ${index} of "instances"`);
    if (values.size < columns.size) {
      throw badRequest(`row ${index} of "instances" must give every input by name: ${namesOf(signature)}`);
    }
    for (const [name, value] of values) {
      columns.get(name)?.push(value);
    }
  });
  return columns;
}

/** Values by input name; a model with one input takes the value bare as well. */
function named(value: unknown, signature: Signature, where: string): ReadonlyMap<string, unknown> {
  const [only, ...others] = signature.inputs;
  if (isObject(value) && !(only?.datatype === 'BYTES' && typeof value.b64 === 'string')) {
    const known = new Set(signature.inputs.map(({ name }) => name));
    const extra = Object.keys(value).find((name) => !known.has(name));
    if (extra !== undefined) {
      throw badRequest(`${where}: the model has no input ${show(extra)}; its inputs are ${namesOf(signature)}`);
    }
    return new Map(Object.entries(value));
  }
  if (only === undefined || others.length > 0) {
    throw badRequest(`${where} must be an object with every input by name: ${namesOf(signature)}`);
  }
  return new Map([[only.name, value]]);
}

function rowsOf(outputs: readonly Tensor[]): readonly string[] {
  const count = outputs[0]?.shape[0];
  if (count === undefined || outputs.some(({ shape }) => shape[0] !== count)) {
    const shapes = outputs.map(({ name, shape }) => `"${name}" [${shape.join(',')}]`).join(', ');
    throw badRequest(`the outputs (${shapes}) have no common rows: send "inputs" instead of "instances"`);
  }
  const columns = outputs.map(writeRows);
  return Array.from({ length: count }, (_, row) =>
    withNames(
      outputs,
      columns.map((rows) => rows[row] ?? 'null'),
    ),
  );
}

function withNames(outputs: readonly Tensor[], texts: readonly string[]): string {
  const [only] = texts;
  if (only !== undefined && texts.length === 1) {
    return only;
  }
  return `{${outputs.map(({ name }, index) => `${JSON.stringify(name)}:${texts[index]}`).join(',')}}`;
}

function namesOf(signature: Signature): string {
  return signature.inputs.map(({ name }) => `"${name}"`).join(', ');
}
