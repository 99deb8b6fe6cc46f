import { renameSync, writeFileSync } from 'node:fs';

/** Replaces a file at once, as careful writers do: written beside, then renamed. */
export function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.next`, text);
  renameSync(`${file}.next`, file);
}
