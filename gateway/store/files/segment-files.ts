import { appendFile, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../policy/make-folder.ts';
import type { Damages } from '../damage.ts';
import type { Segment, SegmentStorage } from './segments.ts';

const NAME = /^comparisons-(\d{1,12})\.jsonl$/;

/** Segments as files of JSON lines. Not flushed to disk line by line: a power cut may cost the last seconds. */
export function segmentFiles(folder: string, damages: Damages): SegmentStorage {
  const fileOf = (segment: number) => join(folder, `comparisons-${String(segment).padStart(9, '0')}.jsonl`);
  const read = async (segment: number) => linesIn(await readFile(fileOf(segment), 'utf8'));
  return {
    list: async () => {
      await makeFolder(folder, 0o700);
      const numbers = (await readdir(folder)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
      return Promise.all(
        numbers.map((number) =>
          segmentOf(number, fileOf(number), read).catch((error: Error): Segment => {
            damages.note(fileOf(number), [error.message]);
            return { number, lines: 0, lastAt: Date.now() };
          }),
        ),
      );
    },
    append: (segment, lines) =>
      appendFile(fileOf(segment), Buffer.concat(lines.map(({ bytes }) => bytes)), { mode: 0o600 }),
    read,
    remove: (segment) => rm(fileOf(segment), { force: true }),
  };
}

async function segmentOf(
  number: number,
  file: string,
  read: (segment: number) => Promise<readonly string[]>,
): Promise<Segment> {
  const { mtimeMs } = await stat(file);
  return { number, lines: (await read(number)).length, lastAt: mtimeMs };
}

function linesIn(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
