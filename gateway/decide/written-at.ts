// Finds a value in the bytes of JSON that is known to be good: every byte is looked at once, and nothing is built.

const [
  QUOTE = 0,
  BACKSLASH = 0,
  OPEN_LIST = 0,
  CLOSE_LIST = 0,
  OPEN_OBJECT = 0,
  CLOSE_OBJECT = 0,
  COMMA = 0,
  COLON = 0,
] = Buffer.from('"\\[]{},:');
const SPACE = 0x20;

/**
 * The value at a path as it is written, such as `1.10` or `12345678901234567890`; undefined when the path leads to none. Of a
 * key that occurs twice the last one counts, as in JSON.parse.
 */
export function writtenAt(json: Buffer, path: readonly string[]): string | undefined {
  const search = new Search(json, path);
  search.value(0, 0);
  return search.found;
}

class Search {
  found: string | undefined;
  readonly #json: Buffer;
  readonly #path: readonly string[];
  /** Bytes of each step: most other keys differ from it in length. */
  readonly #lengths: readonly number[];

  constructor(json: Buffer, path: readonly string[]) {
    this.#json = json;
    this.#path = path;
    this.#lengths = path.map((step) => Buffer.byteLength(step));
  }

  /** Reads the value that starts at or behind `at`, which is `level` steps down the path. Where it ends. */
  value(at: number, level: number): number {
    const start = this.#skipSpace(at);
    const first = this.#json[start];
    if (level === this.#path.length) {
      const end = this.#skip(start);
      this.found = this.#json.toString('utf8', start, end);
      return end;
    }
    if (first === OPEN_OBJECT) return this.#members(start + 1, level);
    return first === OPEN_LIST ? this.#items(start + 1, level) : this.#skip(start);
  }

  #members(from: number, level: number): number {
    let at = this.#skipSpace(from);
    while (at < this.#json.length && this.#json[at] !== CLOSE_OBJECT) {
      const key = at;
      at = this.#skip(key);
      const isWanted = this.#isKey(key, at, level);
      at = this.#skipSpace(at);
      if (this.#json[at] === COLON) at++;
      if (isWanted) this.found = undefined;
      at = isWanted ? this.value(at, level + 1) : this.#skip(this.#skipSpace(at));
      at = this.#next(at);
    }
    return at + 1;
  }

  #items(from: number, level: number): number {
    const wanted = this.#path[level];
    let at = this.#skipSpace(from);
    for (let i = 0; at < this.#json.length && this.#json[at] !== CLOSE_LIST; i++)
      at = this.#next(String(i) === wanted ? this.value(at, level + 1) : this.#skip(at));
    return at + 1;
  }

  /** Where the next member or item starts, or the bracket stands that closes them. */
  #next(end: number): number {
    const at = this.#skipSpace(end);
    return this.#json[at] === COMMA ? this.#skipSpace(at + 1) : at;
  }

  /** Whether the quoted key between these bytes is the wanted step. */
  #isKey(start: number, end: number, level: number): boolean {
    const quoted = this.#json.subarray(start, end);
    const wanted = this.#path[level];
    if (quoted.includes(BACKSLASH)) return JSON.parse(quoted.toString('utf8')) === wanted;
    return quoted.length - 2 === this.#lengths[level] && quoted.toString('utf8', 1, quoted.length - 1) === wanted;
  }

  #skipSpace(from: number): number {
    let at = from;
    while (at < this.#json.length && (this.#json[at] ?? 0) <= SPACE) at++;
    return at;
  }

  /** Where a value ends: a text behind its quote, a list or object behind its bracket, anything else where it stops. */
  #skip(start: number): number {
    const json = this.#json;
    let depth = 0;
    for (let at = start; at < json.length; at++) {
      const byte = json[at] ?? 0;
      if (byte === QUOTE) {
        for (at++; at < json.length && json[at] !== QUOTE; at++) if (json[at] === BACKSLASH) at++;
        if (depth === 0) return at + 1;
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        if (depth <= 1) return depth === 0 ? at : at + 1;
        depth--;
      } else if (depth === 0 && (byte === COMMA || byte <= SPACE)) return at;
    }
    return json.length;
  }
}
