// The last policy that was good, kept on disk for a start that finds a bad one.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeFolder } from '../make-folder.ts';
import type { Policy } from '../policy.ts';
import { PolicyError, parseServable, readPolicyText } from './load.ts';

/** Where the copy of a policy file lies. Two policies served from one folder do not mix. */
export function lastGoodFile(folder: string, policyFile: string): string {
  const id = createHash('sha256').update(resolve(policyFile)).digest('hex').slice(0, 12);
  return join(folder, `last-good-policy-${id}.yaml`);
}

/** Keeps a copy: on disk when this resolves; a crash or a full disk leaves the old copy. */
export async function keepLastGood(folder: string, policyFile: string, text: string): Promise<void> {
  await makeFolder(folder);
  const file = lastGoodFile(folder, policyFile);
  const handle = await open(`${file}.tmp`, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } catch (error) {
    await rm(`${file}.tmp`, { force: true }).catch(() => {}); // on a full disk its room is needed
    throw error;
  } finally {
    await handle.close();
  }
  await rename(`${file}.tmp`, file);
  const parent = await open(dirname(file), 'r');
  await parent.sync().finally(() => parent.close()); // the new name is on disk only then
}

/** Whether there is a copy. */
export function hasLastGood(folder: string, policyFile: string): boolean {
  return existsSync(lastGoodFile(folder, policyFile));
}

/** What a gateway that starts now would serve, and what is wrong with the file when that is the copy. Throws PolicyError. */
export function policyAtStart(
  folder: string,
  policyFile: string,
): { readonly policy: Policy; readonly mistake: string | undefined } {
  const load = (file: string) => parseServable(readPolicyText(file), file);
  try {
    return { policy: load(policyFile), mistake: undefined };
  } catch (error) {
    if (!(error instanceof PolicyError) || !hasLastGood(folder, policyFile)) throw error;
    try {
      return { policy: load(lastGoodFile(folder, policyFile)), mistake: error.message };
    } catch (ofCopy) {
      throw neitherIsGood(error, ofCopy);
    }
  }
}

/** The file is bad, and the copy of the last good one cannot be used either. */
export function neitherIsGood(ofFile: unknown, ofCopy: unknown): PolicyError {
  const text = `${(ofFile as Error).message}\nthe copy of the last good policy cannot be used either: ${(ofCopy as Error).message}`;
  return new PolicyError(text, 1, { cause: ofFile });
}
