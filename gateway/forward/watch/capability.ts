// Whether one version can stand in for another: takes the same inputs, gives the same outputs. Pure.
// Source of the metadata's shape: kserve/open-inference-protocol, REST, "Model Metadata".

export type TensorShape = { readonly name: string; readonly datatype: string; readonly shape: readonly number[] };

export type Signature = { readonly inputs: readonly TensorShape[]; readonly outputs: readonly TensorShape[] };

/** The inputs and outputs that a metadata answer tells of; undefined when it tells of none. */
export function signatureIn(json: unknown): Signature | undefined {
  const { inputs, outputs } = (json ?? {}) as { inputs?: unknown; outputs?: unknown };
  const [ins, outs] = [tensorsIn(inputs), tensorsIn(outputs)];
  return ins === undefined || outs === undefined ? undefined : { inputs: ins, outputs: outs };
}

/** Why requests for `baseline` could not be answered by `candidate`, or callers not read its answers; undefined when they can. */
export function whyIncompatible(baseline: Signature, candidate: Signature): string | undefined {
  for (const input of baseline.inputs) {
    const reason = whyUnlike('input', input, candidate.inputs, (had, has) => has === -1 || has === had);
    if (reason !== undefined) return reason;
  }
  const more = candidate.inputs.find(({ name }) => !baseline.inputs.some((input) => input.name === name));
  if (more !== undefined) return `it needs an input "${more.name}" that the baseline does not have`;
  for (const output of baseline.outputs) {
    const reason = whyUnlike(
      'output',
      output,
      candidate.outputs,
      (had, has) => had === -1 || has === -1 || has === had,
    );
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function whyUnlike(
  what: 'input' | 'output',
  wanted: TensorShape,
  offered: readonly TensorShape[],
  fits: (had: number, has: number) => boolean,
): string | undefined {
  const found = offered.find(({ name }) => name === wanted.name);
  if (found === undefined) return `it has no ${what} "${wanted.name}"`;
  if (found.datatype !== wanted.datatype)
    return `its ${what} "${wanted.name}" is ${found.datatype} and not ${wanted.datatype}`;
  const isLike =
    found.shape.length === wanted.shape.length && wanted.shape.every((dim, i) => fits(dim, found.shape[i] ?? 0));
  const text = (shape: readonly number[]) => `[${shape.join(', ')}]`;
  return isLike
    ? undefined
    : `its ${what} "${wanted.name}" has shape ${text(found.shape)} and not ${text(wanted.shape)}`;
}

function tensorsIn(value: unknown): readonly TensorShape[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const tensors = value.flatMap((tensor: unknown) => {
    const { name, datatype, shape } = (tensor ?? {}) as Record<string, unknown>;
    if (typeof name !== 'string' || typeof datatype !== 'string' || !Array.isArray(shape)) return [];
    // Some servers write dimensions as strings, since INT64 does not fit a JSON number everywhere.
    return [{ name, datatype, shape: shape.map(Number) }];
  });
  return tensors.length === value.length ? tensors : undefined;
}
