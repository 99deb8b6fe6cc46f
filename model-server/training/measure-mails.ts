import type { Mail } from '../samples/held-out-mails.ts';
import { measureRuns, type Score } from './measure.ts';
import { openSpamFilter } from './spam-filter.ts';

/** Runs every mail through the file as a batch of one; 1 is spam. */
export async function measureMails(file: string, mails: readonly Mail[]): Promise<Score> {
  const filter = await openSpamFilter(file);
  const score = await measureRuns(
    file,
    mails.map(({ text, isSpam }) => ({ input: text, label: isSpam ? 1 : 0 })),
    async (text) => (((await filter.judge([text]))[0] ?? Number.NaN) > 0.5 ? 1 : 0),
  );
  await filter.close();
  return score;
}
