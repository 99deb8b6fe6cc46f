// What a text of JSON would unfold into, looked at before it is parsed: V8 ends the whole process when it runs out of memory.
import { getHeapStatistics } from 'node:v8';
import { badRequest, tooLarge } from './errors.ts';

const MAX_DEPTH = 64;
/** Bytes that a value takes in memory, by the character that it takes in the text; measured on Node 20 to 26. */
const OPENING = 64; // an object or an array
const NAME = 48; // of a member
const COMMA = 8; // an element's place
const STRING = 24;
/** Of this thread's heap, the share that one body may unfold into. */
const SHARE = 0.5;
const MEBIBYTE = 1024 * 1024;

/**
 * Throws a RequestError when a text nests too deep, or would take more memory than one body may. `copies` are the texts of
 * its size that reading it makes.
 */
export function guardJson(text: string, copies: number): void {
  const limit = SHARE * getHeapStatistics().heap_size_limit;
  const { depth, bytes } = measure(text);
  if (depth > MAX_DEPTH) {
    throw badRequest(`the body nests deeper than ${MAX_DEPTH} levels`);
  }
  const needed = bytes + copies * text.length;
  if (needed > limit) {
    const sizes = `${Math.ceil(needed / MEBIBYTE)} MiB, and the limit is ${Math.floor(limit / MEBIBYTE)} MiB`;
    throw tooLarge(`the body's JSON would take about ${sizes}: send fewer rows, or binary tensors`);
  }
}

function measure(text: string): { readonly depth: number; readonly bytes: number } {
  let depth = 0;
  let deepest = 0;
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = endOfString(text, at) - 1;
      bytes += STRING;
    } else if (code === 0x2c) {
      bytes += COMMA;
    } else if (code === 0x3a) {
      bytes += NAME;
    } else if (code === 0x5b || code === 0x7b) {
      bytes += OPENING;
      depth++;
      if (depth > deepest) {
        deepest = depth;
      }
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
    }
  }
  return { depth: deepest, bytes };
}

/** Where the string that starts with the quote at `start` is over. */
export function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== 0x22) {
    at += text.charCodeAt(at) === 0x5c ? 2 : 1;
  }
  return at + 1;
}
