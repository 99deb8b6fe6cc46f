import { hash } from 'node:crypto';

/** Characters of a text that others send, as far as it is kept. */
const MOST = 256;

/**
 * A text that others send, short enough to be kept in every state, audit entry and log line: its beginning, and where it is
 * longer the first 64 bits of its SHA-256, so that two long texts are still two.
 */
export function shortened(text: string, most = MOST): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most - 21)}... (${hash('sha256', text, 'hex').slice(0, 16)})`;
}
