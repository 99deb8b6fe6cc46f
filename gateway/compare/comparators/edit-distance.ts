// How many words have to be changed, added or taken out to make one text of another.

/** Steps of the exact distance that one call may cost, each of 32 words by one: some tens of milliseconds. */
const MAX_STEPS = 4_000_000;
const BITS = 32;
const TOP = 1 << (BITS - 1);

/**
 * Levenshtein's distance of two lists of words. Exact, but for texts whose differing part has more than about ten thousand
 * words: then its first words are, and of the rest those count that stand at other places, so that the distance is never
 * less than the true one.
 */
export function editDistance(a: readonly string[], b: readonly string[]): number {
  const [start, endA, endB] = differingPart(a, b);
  const [longA, longB] = [endA - start, endB - start];
  const isWhole = (longA / BITS) * longB <= MAX_STEPS;
  const most = isWhole ? Number.POSITIVE_INFINITY : Math.floor(Math.sqrt(MAX_STEPS * BITS));
  const [cutA, cutB] = [Math.min(endA, start + most), Math.min(endB, start + most)];
  const exact = bitParallel(a.slice(start, cutA), b.slice(start, cutB));
  let rest = Math.max(endA - cutA, endB - cutB);
  for (let i = 0; i < Math.min(endA - cutA, endB - cutB); i++) if (a[cutA + i] === b[cutB + i]) rest--;
  return exact + rest;
}

/** Where two lists differ: the first place, and behind the last in either. */
function differingPart(a: readonly string[], b: readonly string[]): readonly [number, number, number] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA--;
    endB--;
  }
  return [start, endA, endB];
}

/**
 * A column of the table of distances at a time, 32 of its differences in a word (Myers 1999, A fast bit-vector algorithm for
 * approximate string matching; for the distance of whole texts and in blocks by Hyyro 2003).
 */
function bitParallel(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return a.length + b.length;
  const blocks = Math.ceil(a.length / BITS);
  const places = placesOf(a);
  const column = new Column(blocks, (a.length - 1) % BITS);
  const equal = new Int32Array(blocks);
  let distance = a.length;
  for (const word of b) {
    const found = places.get(word) ?? [];
    for (const place of found) equal[place >> 5] = (equal[place >> 5] ?? 0) | (1 << (place & 31));
    distance += column.advance(equal);
    for (const place of found) equal[place >> 5] = 0;
  }
  return distance;
}

function placesOf(words: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [i, word] of words.entries()) {
    const known = places.get(word);
    if (known === undefined) places.set(word, [i]);
    else known.push(i);
  }
  return places;
}

/** The differences down one column of the table: where it grows by one, and where it falls. */
class Column {
  readonly #grows: Int32Array;
  readonly #falls: Int32Array;
  /** The bit of the last word in the last block. */
  readonly #last: number;

  constructor(blocks: number, lastBit: number) {
    this.#grows = new Int32Array(blocks).fill(-1);
    this.#falls = new Int32Array(blocks);
    this.#last = 1 << lastBit;
  }

  /** Goes on to the next word, which equals those of `equal`; by how much the last row's distance changes. */
  advance(equal: Int32Array): number {
    const blocks = this.#grows.length;
    let carried = 1; // the first row grows by one with each word
    for (let i = 0; i < blocks; i++) {
      const [grows, falls] = [this.#grows[i] ?? 0, this.#falls[i] ?? 0];
      const same = equal[i] ?? 0;
      const vertical = same | falls;
      const matched = carried < 0 ? same | 1 : same;
      const horizontal = (((matched & grows) + grows) ^ grows) | matched;
      const up = falls | ~(horizontal | grows);
      const down = grows & horizontal;
      const end = i === blocks - 1 ? this.#last : TOP;
      const next = (up & end) !== 0 ? 1 : (down & end) !== 0 ? -1 : 0;
      const shiftedUp = (up << 1) | (carried > 0 ? 1 : 0);
      const shiftedDown = (down << 1) | (carried < 0 ? 1 : 0);
      this.#grows[i] = shiftedDown | ~(vertical | shiftedUp);
      this.#falls[i] = shiftedUp & vertical;
      carried = next;
    }
    return carried;
  }
}
