// Counts and sums by key, which add up: over comparisons, over replicas, over time. A key is a path of encoded names.
import { restOfSum } from './exact-sum.ts';
import { Room } from './room.ts';

/** Whole numbers where things are counted, fractions where they are summed up. */
export type Sums = ReadonlyMap<string, number>;

/** A key from its parts; no part can bring a slash of its own. */
export function keyOf(...parts: readonly string[]): string {
  return parts.map(encode).join('/');
}

/** A name as a word in which nothing has a meaning: no slash, colon, brace or star, also for Redis. */
export function encode(part: string): string {
  if (!LONE_SURROGATE.test(part)) return encodeURIComponent(part).replaceAll('*', '%2A');
  // It has no UTF-8: JSON can spell one, a cut can leave one, and a byte that is no UTF-8 is read as one.
  return part
    .split(LONE_SURROGATES)
    .map((text, i) => (i % 2 === 0 ? encode(text) : spelled(text)))
    .join('');
}

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /(\p{Surrogate})/u;
const SPELLED = /%u(D[89A-F][\dA-F]{2})/g;

/** Half of a surrogate pair as nothing else is spelled in a key, for a percent sign is `%25`. */
function spelled(surrogate: string): string {
  return `%u${surrogate.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** The name that was encoded. Throws URIError for what is no such word. */
function decode(word: string): string {
  return decodeURIComponent(word.replace(SPELLED, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))));
}

const BELOW = new Map<string, Map<string, string>>();
const MAX_PREFIXES = 1000;
const MAX_NAMES = 1000;

/** A key below another. Remembered: looking one up takes a third of the time that joining and hashing it anew does. */
export function keyBelow(prefix: string, name: string): string {
  let names = BELOW.get(prefix);
  if (names === undefined) {
    if (BELOW.size >= MAX_PREFIXES) BELOW.clear();
    names = new Map();
    BELOW.set(prefix, names);
  }
  let key = names.get(name);
  if (key === undefined) {
    if (names.size >= MAX_NAMES) names.clear();
    key = `${prefix}/${encode(name)}`;
    names.set(name, key);
  }
  return key;
}

/** Whether a word is a key: what others wrote may be none, and then has no parts. */
export function isKey(word: string): boolean {
  try {
    decode(word);
    return true;
  } catch {
    return false;
  }
}

/** The parts of a key. */
export function partsOf(key: string): string[] {
  return key.split('/').map(decode);
}

/** The room of each set of sums, for as long as there is the set. */
const ROOMS = new WeakMap<Map<string, number>, Room>();

/** Adds to one key, or to what gathers those for which there is no room. */
export function addTo(sums: Map<string, number>, key: string, value: number): void {
  const before = sums.get(key);
  // An answer of huge numbers can sum up to no number; one such addition would spoil the sum for ever.
  if (!Number.isFinite(value)) addTo(sums, 'overflow', 1);
  else if (before !== undefined) {
    sums.set(key, before + value);
    // What a variance is made of: all of it can stand in the digits that rounding leaves out.
    if (isExact(key)) addRest(sums, key, restOfSum(before, value, before + value));
  } else {
    const place = placeIn(sums, key);
    if (place !== undefined) sums.set(place, (sums.get(place) ?? 0) + value);
  }
}

/** Whether the rest of a sum is kept beside it. */
export function isExact(key: string): boolean {
  return key.endsWith('/sum') || key.endsWith('/sumSquares');
}

/** Adds what rounding left out of a sum. */
export function addRest(sums: Map<string, number>, key: string, rest: number): void {
  if (rest !== 0) addTo(sums, `${key}Rest`, rest);
}

/** The key under which an addition counts: itself where it is there already or finds room; undefined for what is left out. */
export function placeIn(sums: Map<string, number>, key: string): string | undefined {
  if (sums.has(key)) return key;
  let room = ROOMS.get(sums);
  if (room === undefined) {
    room = new Room(sums.keys());
    ROOMS.set(sums, room);
  }
  return room.placeOf(key);
}

/** Adds every key of one to the other. */
export function addAll(into: Map<string, number>, from: Iterable<readonly [string, number]>): void {
  for (const [key, value] of from) addTo(into, key, value);
}

/** Several sums as one. */
export function totalOf(parts: Iterable<Sums>): Sums {
  const total = new Map<string, number>();
  for (const part of parts) addAll(total, part);
  return total;
}
