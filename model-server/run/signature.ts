import { badRequest } from '../errors.ts';
import { type Datatype, isDatatype, type TensorMetadata } from '../protocol/names.ts';
import { show } from '../protocol/show.ts';
import { readShape } from './tensors.ts';

/** One input or output of a model: a dimension is its size, or the name of a size that varies. */
export type Port = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly (number | string)[];
};

/** What a model takes and gives. */
export type Signature = { readonly inputs: readonly Port[]; readonly outputs: readonly Port[] };

/** A port as metadata shows it: sizes that vary are -1. */
export function toMetadata({ name, datatype, shape }: Port): TensorMetadata {
  return { name, datatype, shape: shape.map((dim) => (typeof dim === 'number' ? dim : -1)) };
}

/** Says whether some input takes whole numbers beyond 2^53, which JSON must then be read for. */
export function takesWholeNumbers({ inputs }: Signature): boolean {
  return inputs.some(({ datatype }) => datatype === 'INT64' || datatype === 'UINT64');
}

/** Holds the tensors of one request against a signature: each input known, given once, of its datatype and shape. */
export class InputCheck {
  readonly #ports: ReadonlyMap<string, Port>;
  readonly #seen = new Set<string>();
  readonly #sizes = new Map<string, { readonly size: number; readonly input: string }>();

  constructor(signature: Signature) {
    this.#ports = new Map(signature.inputs.map((port) => [port.name, port]));
  }

  /** Answers the input of this name, which may be asked for once. */
  port(name: unknown): Port {
    const port = typeof name === 'string' ? this.#ports.get(name) : undefined;
    if (port === undefined) {
      throw badRequest(`the model has no input ${show(name)}; its inputs are ${list([...this.#ports.values()])}`);
    }
    if (this.#seen.has(port.name)) {
      throw badRequest(`input "${port.name}" is given twice`);
    }
    this.#seen.add(port.name);
    return port;
  }

  /** Refuses another datatype than the input's. */
  datatype(port: Port, given: unknown): void {
    if (given === port.datatype) {
      return;
    }
    const known = isDatatype(given) ? '' : ', which is no datatype of the protocol';
    throw badRequest(`input "${port.name}" must be ${port.datatype}, got ${show(given)}${known}`);
  }

  /** Answers the stated shape if the input allows it and it agrees with the other inputs. */
  shape(port: Port, given: unknown): readonly number[] {
    const shape = readShape(given, `input "${port.name}"`);
    // The runtime shows a scalar and an unknown rank alike, as []: only a run can tell them apart.
    if (port.shape.length > 0 && !fits(shape, port.shape)) {
      throw badRequest(`input "${port.name}" must have shape ${shapeText(port)}, got [${shape.join(',')}]`);
    }
    port.shape.forEach((dim, axis) => {
      this.#agree(dim, shape[axis], port.name);
    });
    return shape;
  }

  /** Refuses a request that left an input out. */
  complete(): void {
    const missing = [...this.#ports.values()].filter((port) => !this.#seen.has(port.name));
    if (missing.length > 0) {
      throw badRequest(`the request lacks input ${list(missing)}`);
    }
  }

  #agree(dim: number | string, size: number | undefined, input: string): void {
    if (typeof dim === 'number' || dim === '' || size === undefined) {
      return;
    }
    const first = this.#sizes.get(dim);
    if (first !== undefined && first.size !== size) {
      const both = `${first.size} in input "${first.input}" and ${size} in input "${input}"`;
      throw badRequest(`dimension ${show(dim)} is ${both}: it must be the same`);
    }
    this.#sizes.set(dim, first ?? { size, input });
  }
}

/** Answers the outputs a request wants, all of them when it names none; each is known and asked for once. */
export function pickOutputs(signature: Signature, wanted: readonly unknown[]): readonly Port[] {
  const ports = new Map(signature.outputs.map((port) => [port.name, port]));
  const names: readonly unknown[] = wanted.length === 0 ? [...ports.keys()] : wanted;
  return names.map((name, index) => {
    const port = typeof name === 'string' ? ports.get(name) : undefined;
    if (port === undefined) {
      throw badRequest(`the model has no output ${show(name)}; its outputs are ${list(signature.outputs)}`);
    }
    if (names.indexOf(port.name) !== index) {
      throw badRequest(`output "${port.name}" is asked for twice`);
    }
    return port;
  });
}

function fits(shape: readonly number[], allowed: readonly (number | string)[]): boolean {
  return (
    shape.length === allowed.length && allowed.every((dim, axis) => typeof dim === 'string' || dim === shape[axis])
  );
}

function list(ports: readonly Port[]): string {
  return ports.map((port) => `"${port.name}" (${port.datatype} ${shapeText(port)})`).join(', ');
}

function shapeText(port: Port): string {
  return `[${toMetadata(port).shape.join(',')}]`;
}
