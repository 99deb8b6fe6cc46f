// YAML text -> checked policy. Every mistake is told as file:line:column, all of them at once.
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { UserError } from '../../errors.ts';
import { readCertificates } from '../check/certificates.ts';
import { check } from '../check/check.ts';
import { checkTransition } from '../check/transition.ts';
import { compile } from '../compile/compile.ts';
import { ambiguousIn, type Mistake, mistakesOf } from '../mistakes.ts';
import type { Policy } from '../policy.ts';
import { type PolicyFile, PolicySchema } from '../schema.ts';
import { inWords } from '../words.ts';
import { lookAlikeIn } from './look-alikes.ts';
import { hasEndMark } from './whole.ts';
import { parseYaml, type YamlFile } from './yaml.ts';

const MAX_BYTES = 1024 * 1024;

/** A person mends the first mistakes first; a file of nothing but mistakes would take minutes to tell. */
const MOST_TOLD = 50;

/** A policy that cannot be used. The message has one `file:line:column path: reason` line a mistake. */
export class PolicyError extends UserError {}

/** Reads and checks a policy file. Throws PolicyError. */
export function loadPolicy(file: string): Policy {
  return parsePolicy(readPolicyText(file), file);
}

/** Checks policy text, also as the successor of `current`; `file` is only for the messages. Throws PolicyError. */
export function parsePolicy(text: string, file: string, current?: Policy): Policy {
  const { policy } = parseWritten(text, file);
  const moves = current === undefined ? [] : checkTransition(current, policy);
  if (moves.length > 0) throw refused(moves, parseYaml(text), file);
  return policy;
}

/**
 * The same for a policy that is to be served: a certificate file that cannot be used is a mistake too. Throws PolicyError.
 */
export function parseServable(text: string, file: string, current?: Policy): Policy {
  const checked = parsePolicy(text, file, current);
  const { policy, mistakes } = readCertificates(checked);
  if (mistakes.length > 0) throw refused(mistakes, parseYaml(text), file);
  return policy;
}

/** Checks policy text and gives it both as written, with defaults in and units read, and as it runs. Throws PolicyError. */
export function parseWritten(text: string, file: string): { readonly written: PolicyFile; readonly policy: Policy } {
  const yaml = parseYaml(text);
  if (yaml.problems.length > 0) throw refused(yaml.problems, yaml, file);
  const written = PolicySchema.safeParse(yaml.value, { error: inWords });
  if (!written.success) throw refused(mistakesOf(written.error.issues, yaml), yaml, file);
  const mistakes = [...ambiguousIn(yaml), ...check(written.data)];
  if (written.data.end === true && !hasEndMark(text))
    mistakes.push({
      path: ['end'],
      message: 'end: true belongs at the end of the file, as its last line, from its first column and in these letters',
      at: 'key',
    });
  if (mistakes.length > 0) throw refused(mistakes, yaml, file);
  return { written: written.data, policy: compile(written.data, createHash('sha256').update(text).digest('hex')) };
}

/** The text of a policy file. Throws PolicyError when it cannot be one. */
export function readPolicyText(file: string): string {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw new PolicyError(`${file}: expected a file`);
    if (stat.size > MAX_BYTES) throw new PolicyError(`${file}: larger than ${MAX_BYTES} bytes`);
    return decoded(readFileSync(file), file);
  } catch (error) {
    if (error instanceof PolicyError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === 'ENOENT' ? 'no such file' : `not readable (${code})`;
    throw new PolicyError(`${file}: ${reason}`, 1, { cause: error });
  }
}

function decoded(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    const before = bytes.toString('utf8').split('\ufffd', 1)[0]?.split('\n') ?? [];
    const place = `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
    throw new PolicyError(`${file}:${place} no UTF-8 text from here on; save the file as UTF-8`, 1, { cause: error });
  }
}

function refused(mistakes: readonly Mistake[], yaml: YamlFile, file: string): PolicyError {
  const told = mistakes.slice(0, MOST_TOLD).map((mistake) => {
    const { line, column, text } = yaml.position(mistake);
    const path = mistake.path.length === 0 ? '' : `${mistake.path.map(stepText).join('.')}: `;
    return `${file}:${line}:${column} ${path}${inOneLine(mistake.message)}${lookAlikeIn(text)}`;
  });
  const more = mistakes.length - told.length;
  if (more > 0) told.push(`${file}: and ${more} more`);
  return new PolicyError(told.join('\n'));
}

const LONGEST_STEP = 80;

/** A key as it stands in a path: some are longer than any terminal is wide. */
function stepText(step: PropertyKey): string {
  const text = inOneLine(String(step));
  return text.length > LONGEST_STEP ? `${text.slice(0, LONGEST_STEP)}...` : text;
}

/** Keys and values may hold line breaks, and what a terminal would obey. */
function inOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) => JSON.stringify(character).slice(1, -1));
}
