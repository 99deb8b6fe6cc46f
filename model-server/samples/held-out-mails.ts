import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';

/** Writes mails as gzipped JSON lines, `{"spam": true, "text": "..."}`. */
export function writeMails(path: string, mails: readonly Mail[]): void {
  const lines = mails.map(({ text, isSpam }) => `${JSON.stringify({ spam: isSpam, text })}\n`);
  writeFileSync(path, gzipSync(lines.join(''), { level: 9 }));
}

/** Reads them back. */
export function readMails(path: string): readonly Mail[] {
  return gunzipSync(readFileSync(path))
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { spam, text }: { spam: boolean; text: string } = JSON.parse(line);
      return { isSpam: spam, text };
    });
}

/** One mail: its subject and the beginning of its body, and what people said it is. */
export type Mail = { readonly text: string; readonly isSpam: boolean };
