/** `npm run labelled -- FOLDER`: the labelled inputs of the demo ladders as JSON lines, to tune on and to replay. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digitsOf } from '../samples/digits.ts';
import { type Labelled, labelledDigit, labelledMail } from '../samples/labelled.ts';
import { loadDigits } from './digits-data.ts';
import { fetchMails, splitMails } from './mails.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: npm run labelled -- FOLDER');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const digits = loadDigits();
write('digits-validation.jsonl', digitsOf(digits.validation).map(labelledDigit));
write('digits-held-out.jsonl', digitsOf(digits.heldOut).map(labelledDigit));
console.error('fetching the mails ...');
const mails = splitMails(fetchMails());
write('spam-validation.jsonl', mails.validation.map(labelledMail));
write('spam-held-out.jsonl', mails.heldOut.map(labelledMail));

function write(name: string, rows: readonly Labelled[]): void {
  const file = join(folder ?? '', name);
  const lines = rows.map((row, i) => JSON.stringify({ id: `${name.replace('.jsonl', '')}-${i}`, ...row }));
  writeFileSync(file, `${lines.join('\n')}\n`);
  console.log(`${file}: ${rows.length} labelled inputs`);
}
