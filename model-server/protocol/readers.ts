// Everyone who reads bodies of the protocol, and in what they differ on purpose. All else they read alike, by the files of this
// folder; test/model-server/protocol/ holds them to it.
import type { JsonRules } from './json.ts';
import type { BinaryRules } from './tensor-bytes.ts';

/** Lists and objects within one another; no honest body has as many. */
const DEPTH = 64;

/**
 * Rules and ladders of the gateway, for every request that a policy looks into. They find what they ask for and are no judge of
 * the rest. A number that is missing counts as missing however it is written, so NaN and Infinity are null to them. Bytes that
 * are no UTF-8 are replaced, as they are forwarded untouched and the model server refuses them.
 */
export const POLICY: JsonRules = { depth: DEPTH, tokens: 'null' };

/** Answers that are compared: what differs must be seen. Integers of 64 bits are read again by `EXACT` where there are any. */
export const COMPARISON: JsonRules = { depth: DEPTH, tokens: 'number' };

/** What people give to commands and what a command shows them: every digit of it. */
export const EXACT: JsonRules = { depth: DEPTH, tokens: 'number', exact: true };

/**
 * The model server, which refuses what it cannot read, bytes that are no UTF-8 too, and what takes more memory (bytes) than one
 * body may. A short text may nest as it likes: no tensor does, and what is no tensor is not looked into.
 */
export function serverRules(memory: number, exact: boolean): JsonRules {
  return { depth: DEPTH, tokens: 'number', memory, exact };
}

/**
 * Bytes of requests, in the model server: nothing that the runtime would change unseen. Their memory moves on to the inference
 * thread, so it is taken over where that can be.
 */
export const SERVER_BYTES: BinaryRules = { halves: 'bits', content: 'strict', takesOver: true };

/** Bytes of answers, in the gateway: as numbers that can be compared, and whatever a model may have written. */
export const ANSWER_BYTES: BinaryRules = { halves: 'numbers', content: 'any', takesOver: false };
