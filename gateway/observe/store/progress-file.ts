import { join } from 'node:path';
import { readJsonFile, replaceFile } from './durable-file.ts';

/** What a judge has gathered within steps, in a file below `--data`: losing it costs time and undoes nothing. */
export function progressFile<T>(folder: string, onTrouble: (error: unknown) => void) {
  const file = join(folder, 'judged.json');
  return {
    /** What was saved last; nothing when there is no such file, or none that can be read. */
    load: async (): Promise<readonly T[]> => {
      const kept = await readJsonFile(file).catch((error: unknown) => onTrouble(error));
      return Array.isArray(kept) ? kept : [];
    },
    save: (states: readonly T[]): Promise<void> => replaceFile(file, `${JSON.stringify(states)}\n`),
  };
}
