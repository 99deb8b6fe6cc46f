import { badRequest } from '../errors.ts';
import { pickOutputs, type Signature, takesWholeNumbers } from '../run/signature.ts';
import { parseJson } from './json.ts';
import { type PredictCall, readPredictRequest } from './v1.ts';
import { type InferCall, readInferRequest } from './v2.ts';

/** A body to be read: in which dialect, with the header that tells where its JSON ends, for which model. */
export type Reading = {
  readonly dialect: 'v1' | 'v2';
  readonly body: unknown;
  readonly jsonLength: string | undefined;
  readonly signature: Signature;
};

/** What a body asks for; plain values and tensors, which can go from thread to thread. */
export type Call =
  | ({ readonly dialect: 'v2' } & InferCall)
  | ({ readonly dialect: 'v1'; readonly outputs: readonly string[] } & PredictCall);

/** Reads a body; throws a RequestError with whatever is wrong with it. */
export function readCall({ dialect, body, jsonLength, signature }: Reading): Call {
  return dialect === 'v2'
    ? { dialect, ...readInferRequest(body, jsonLength, signature) }
    : { dialect, ...readPredict(body, signature) };
}

function readPredict(body: unknown, signature: Signature): PredictCall & { readonly outputs: readonly string[] } {
  const call = readPredictRequest(parseJson(body, { exact: takesWholeNumbers(signature) }), signature);
  const outputs = pickOutputs(signature, []);
  const half = outputs.find(({ datatype }) => datatype === 'FP16');
  if (half !== undefined) {
    throw badRequest(`output "${half.name}" is FP16, which has no JSON form: use /v2/.../infer with binary outputs`);
  }
  return { ...call, outputs: outputs.map(({ name }) => name) };
}
