// Whose doing a server's answer is. Status codes alone do not tell: MLServer says 400 when the model raised, Triton may.
// Sources: kserve/kserve, triton-inference-server (server, core, python_backend), SeldonIO/MLServer mlserver/errors.py,
// tensorflow/serving util/net_http and the status map of its REST API.
import { LOOP_SIGN } from '../errors.ts';
import type { Call, Fault, OutcomeClass } from '../flow.ts';
import type { ServerKind } from '../policy/servers.ts';
import type { ResponseHeaders, Result } from './exchange.ts';

/** Of an error's text only the beginning is read. */
const READ_BYTES = 2048;

/** What of an answer is read. */
type Read = Pick<Extract<Result, { kind: 'response' }>, 'status' | 'headers' | 'body'>;

type Reading = {
  readonly class: OutcomeClass;
  /** The version is not loaded there: the answer says nothing about the request, and another server may have it. */
  readonly isNotReady: boolean;
};

/** What this answer to this call means on this kind of server. */
export function readAnswer(kind: ServerKind, call: Call, { status, headers, body }: Read): Reading {
  if (status < 400) return OK;
  if (status === 429) return { class: 'shed', isNotReady: false };
  if (status === 499) return { class: 'client_left', isNotReady: false }; // TensorFlow Serving's CANCELLED
  if (status === 501) return CLIENT_FAULT; // an extension that it does not have
  if (status === 503 && call !== 'opaque') return NOT_READY; // an app behind a prefix says it of itself, not of a model
  if (status === 508 && isLoop(headers)) return LOOP;
  if (status >= 500) return MODEL_FAULT;
  // The caller's own path, or one that this kind of server does not have: who asked for it asked for what is not there.
  if (call === 'opaque' || !speaks(kind, call)) return CLIENT_FAULT;
  // The path is the policy's, so no caller can have got it wrong; but v1 is the caller's choice, and not every server has it.
  if (status === 404) return call === 'predict' && isUnknownPath(body) ? CLIENT_FAULT : NOT_READY;
  return status === 400 ? read400(kind, body) : CLIENT_FAULT;
}

/**
 * Whether a gateway refused the request because it had passed there before: the policies say so, or the caller's own `Via`, and
 * not a model. Gateways and proxies between pass the sign on, and may add a member of their own to the list.
 */
function isLoop({ 'proxy-status': status }: ResponseHeaders): boolean {
  return status !== undefined && String(status).includes(LOOP_SIGN);
}

/** Whether servers of this kind have this call: v1's `:predict` came with TensorFlow Serving, which has no v2. */
export function speaks(kind: ServerKind, call: Call): boolean {
  if (call === 'predict') return kind !== 'triton' && kind !== 'mlserver';
  return kind !== 'tensorflow-serving' || (call !== 'infer' && call !== 'metadata');
}

/** The class of an answer that the gateway had to write itself. */
export function classOfFault(fault: Fault): OutcomeClass {
  return CLASSES[fault];
}

const CLASSES: Readonly<Record<Fault, OutcomeClass>> = {
  unreachable: 'server_fault',
  broken: 'server_fault',
  malformed: 'server_fault',
  redirected: 'server_fault',
  answer_too_large: 'own_limit',
  answers_full: 'shed',
  deadline: 'model_fault',
  too_large: 'client_fault',
  too_slow: 'client_fault',
  shed: 'shed',
  client_left: 'client_left',
};

const OK: Reading = { class: 'ok', isNotReady: false };
const MODEL_FAULT: Reading = { class: 'model_fault', isNotReady: false };
const LOOP: Reading = { class: 'own_limit', isNotReady: false };
const CLIENT_FAULT: Reading = { class: 'client_fault', isNotReady: false };
const NOT_READY: Reading = { class: 'server_fault', isNotReady: true };

/** Whether a 404 is a server's word on the path, and not on a model that it does not have: then it names what is missing. */
function isUnknownPath(body: Buffer): boolean {
  const text = body.toString('latin1', 0, READ_BYTES);
  return text !== '' && !/\bmodel\b|\bservable\b/i.test(text);
}

function read400(kind: ServerKind, body: Buffer): Reading {
  if (kind !== 'triton' && kind !== 'mlserver') return CLIENT_FAULT;
  const text = body.toString('latin1', 0, READ_BYTES);
  if (/\bis not ready\b/.test(text)) return NOT_READY;
  if (kind === 'triton') return /Failed to process the request|in ensemble '/.test(text) ? MODEL_FAULT : CLIENT_FAULT;
  // MLServer raises one error, with 400, for whatever goes wrong in a model; what it says of the request itself is little.
  return /Codec not found|Parameters missing|Invalid (input|JSON)|validation error/i.test(text)
    ? CLIENT_FAULT
    : MODEL_FAULT;
}
