// Fields that people have marked as noise. The audit trail is where it stands: it lasts, it is shared, and it says who and why.
import type { AuditEntry, AuditTrail } from '../store/store.ts';

export const MARKED = 'field marked as noise';
export const UNMARKED = 'field unmarked as noise';

/** Marks older than so many acts are forgotten: the most that the trail tells at once. */
const ENTRIES = 1000;

/** Fields by `model/shadow`. */
export type NoiseMarks = Readonly<Record<string, readonly string[]>>;

/** The marks that hold now. Rejects when the trail cannot be read. */
export async function readNoiseMarks(audit: AuditTrail): Promise<NoiseMarks> {
  return marksIn(await audit.read(ENTRIES));
}

/** Of the newest first: the last word on a field holds. */
export function marksIn(entries: readonly AuditEntry[]): NoiseMarks {
  const marks = new Map<string, Set<string>>();
  for (const { event, model, shadow, field } of [...entries].reverse()) {
    if (event !== MARKED && event !== UNMARKED) continue;
    const key = `${model}/${shadow}`;
    const fields = marks.get(key) ?? new Set();
    if (event === MARKED) fields.add(String(field));
    else fields.delete(String(field));
    marks.set(key, fields);
  }
  return Object.fromEntries([...marks].map(([key, fields]) => [key, [...fields]]));
}
