import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Every file of the project as it stands: tracked, or new and not ignored. */
export function trackedFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '--others', '--cached', '--exclude-standard'], { encoding: 'utf8' });
  return listed
    .trim()
    .split('\n')
    .filter((file) => existsSync(file));
}
