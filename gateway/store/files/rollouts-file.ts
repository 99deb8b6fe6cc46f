// What is read from the file of rollouts. It may be damaged, and a rollback that it had must not be forgotten: a rollout whose
// state is lost is held on its baseline.
import { z } from 'zod';
import { entriesIn, isObject, kindOf, listIn, type Say } from '../foreign.ts';
import type { RolloutDocument } from '../store.ts';

export type Kept = { readonly documents: readonly RolloutDocument[]; readonly rolledBack: readonly string[] };

/** The keys of the file; others were written by another release. */
const KEYS = ['documents', 'rolledBack'];
const NAMED = z.looseObject({ id: z.string().min(1) });
const EPOCH = z.int().min(0);
const ROLLED_BACK = z.object({ phase: z.object({ name: z.literal('rolled_back') }) });
/** Levels of a document; ours have fewer than ten. */
const MAX_DEPTH = 64;
/** Characters; a state has some thousands. */
const MAX_DOCUMENT = 1024 * 1024;

/** What of the file is good. `ids` are the rollouts of the policy: those whose record is lost are marked as damaged. */
export function readRollouts(value: unknown, report: Say, text: string, ids: readonly string[]): Kept {
  const say: Say = value === undefined ? () => {} : report; // what is no JSON has been reported as such
  const file = isObject(value) ? value : {};
  if (value !== undefined && !isObject(value)) say(`document: expected an object, got ${kindOf(value)}`);
  const documents = new Map(documentsIn(file.documents, say).map((document) => [document.id, document]));
  let isWhole = true;
  const rolledBack = new Set(
    idsIn(file.rolledBack, (problem) => {
      isWhole = false;
      say(problem);
    }),
  );
  // A rollback stands in its document too.
  for (const document of documents.values()) if (ROLLED_BACK.safeParse(document).success) rolledBack.add(document.id);
  // Of a key that occurs twice JSON has the last one: the list before it may be the longer one.
  if ((text.match(/"rolledBack"\s*:/g) ?? []).length > 1) {
    isWhole = false;
    say('rolledBack: the key occurs twice');
  }
  for (const key of Object.keys(file)) if (!KEYS.includes(key)) say(`${key}: written by another release of Sluice`);
  const hasLost = !isWhole || !Array.isArray(file.documents) || documents.size < file.documents.length;
  for (const id of ids) {
    if (rolledBack.has(id) || !hasLost) continue;
    if (isWhole && documents.has(id)) continue;
    const why = 'the file of rollouts is damaged, and this one may have been rolled back';
    documents.set(id, { ...documents.get(id), id, epoch: 0, damaged: why });
  }
  return { documents: [...documents.values()], rolledBack: [...rolledBack] };
}

/** Whether a document can be written again: one that nests deeply would keep everything beside it from the disk. */
export function isStorable(document: unknown): boolean {
  return !isDeeper(document, MAX_DEPTH) && JSON.stringify(document).length <= MAX_DOCUMENT;
}

/** Whether a value of JSON has more levels than these. It is asked level by level: some runtimes parse what they cannot write. */
function isDeeper(value: unknown, levels: number): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levels) return true;
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []));
  }
  return false;
}

/** A value without an id is nobody's document; one whose epoch is damaged is older than any. */
function documentsIn(value: unknown, say: Say): RolloutDocument[] {
  return listIn(NAMED, value, 'documents', say).map((document) => {
    const { id, epoch } = document;
    if (!isStorable(document)) {
      say(`documents: that of ${id.slice(0, 64)} is too large or nests too deeply`);
      return { id, epoch: 0, damaged: 'it is too large or nests too deeply' };
    }
    if (EPOCH.safeParse(epoch).success) return document as RolloutDocument;
    say(`documents: the epoch of ${id.slice(0, 64)} is ${kindOf(epoch)}, no whole number`);
    return { ...document, epoch: 0, damaged: 'its epoch is no whole number' };
  });
}

/** Every text in a list of ids. Where it is another thing, whatever texts are in it: one id too many takes nothing from anyone. */
function idsIn(value: unknown, say: Say): string[] {
  if (Array.isArray(value) && value.every((id) => typeof id === 'string')) return value;
  say(
    `rolledBack: expected a list of ids, got ${Array.isArray(value) ? 'one with other things in it' : kindOf(value)}`,
  );
  return textsIn(value);
}

const MOST_TEXTS = 10_000;

function textsIn(value: unknown): string[] {
  const texts: string[] = [];
  const left: unknown[] = [value];
  for (let next = left.pop(); next !== undefined && texts.length < MOST_TEXTS; next = left.pop()) {
    if (typeof next === 'string') texts.push(next);
    else if (Array.isArray(next)) for (const each of next) left.push(each ?? '');
    else if (isObject(next))
      for (const [name, each] of entriesIn(z.unknown(), next, '', () => {})) left.push(name, each);
  }
  return texts;
}
