import { join } from 'node:path';
import { z } from 'zod';
import type { Damages } from '../damage.ts';
import { listIn } from '../foreign.ts';
import { readDataFile } from './data-files.ts';
import { replaceFile } from './durable-file.ts';

const NAMED = z.looseObject({ id: z.string(), epoch: z.number() });

/** What a judge has gathered within steps, in a file below `--data`: losing it costs time and undoes nothing. */
export function progressFile<T>(folder: string, damages: Damages) {
  const file = join(folder, 'judged.json');
  return {
    /** What was saved last; nothing when there is no such file, and of one that is damaged what is good. */
    load: async (): Promise<readonly unknown[]> =>
      (await readDataFile(
        file,
        (value, say) => (value === undefined ? [] : listIn(NAMED, value, '', say)),
        damages,
      ).catch((error: Error) => damages.note(file, [error.message]))) ?? [],
    save: (states: readonly T[]): Promise<void> => replaceFile(file, `${JSON.stringify(states)}\n`),
  };
}
