// Stored data that cannot be read: damaged, cut short, or written by somebody else. The good part is used, and the rest is
// reported: once in the log, and in the status and a metric for as long as it matters.

/** Something that could not be read. */
export type Damage = {
  /** The file, or the key of Redis. */
  readonly where: string;
  /** What is wrong and where in it, of the first of several. */
  readonly problem: string;
  /** How many things were wrong when it was last read. */
  readonly count: number;
  /** Where the damaged original lies; undefined when it was left in its place. */
  readonly copy: string | undefined;
};

/** Places that are remembered; more are as good as all. */
const MAX_PLACES = 100;
/** How long something that was seen in passing is reported: it may be gone since, and nothing says so. */
const FADES_MS = 10 * 60_000;

export class Damages {
  readonly #onTrouble: (error: Error) => void;
  readonly #places = new Map<string, Damage>();
  /** Until when those are reported that were seen in passing. */
  readonly #until = new Map<string, number>();

  constructor(onTrouble: (error: Error) => void) {
    this.#onTrouble = onTrouble;
  }

  list(): readonly Damage[] {
    for (const [where, until] of this.#until) {
      if (until >= performance.now()) continue;
      this.#until.delete(where);
      this.#places.delete(where);
    }
    return [...this.#places.values()];
  }

  /** What a look at a part of a place found wrong; a look that finds nothing says nothing about the rest. */
  saw(where: string, problems: readonly string[]): void {
    if (problems.length === 0) return;
    this.note(where, problems);
    if (this.#places.has(where)) this.#until.set(where, performance.now() + FADES_MS);
  }

  /** What a read found wrong at a place; nothing means that it is well now. */
  note(where: string, problems: readonly string[], copy?: string): void {
    const [problem] = [...problems].sort(); // in whatever order a store gives them, they are the same news
    const before = this.#places.get(where);
    if (problem === undefined) return void this.#places.delete(where);
    if (before === undefined && this.#places.size >= MAX_PLACES) return;
    const damage: Damage = { where, problem, count: problems.length, copy: copy ?? before?.copy };
    this.#places.set(where, damage);
    if (before?.problem !== problem) this.#onTrouble(new Error(damageText(damage)));
  }
}

/** One line about a damage, with what to look at. */
export function damageText({ where, problem, count, copy }: Damage): string {
  const others = count === 1 ? '' : ` (and ${count - 1} more)`;
  const kept = copy === undefined ? '' : `; the damaged file is kept as ${copy}`;
  return `${where} is damaged: ${problem}${others}; the rest of it is used${kept}`;
}
