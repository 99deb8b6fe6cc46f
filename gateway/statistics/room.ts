// How many keys of a set of sums others may choose. Callers choose the values of sliced headers, model servers the names of
// outputs and fields, models their labels: each has a bound of its own, so that none takes the room of another or of what the
// summary is made of. What finds no room is counted where its kind is shown.

/** Values of one sliced header. */
const MAX_SLICE_VALUES = 400;
/** Sliced headers: the policy names at most eight, and the tier is one too. */
const MAX_SLICE_NAMES = 16;
/** Outputs and fields. */
const MAX_FIELDS = 64;
/** Keys of a field beside labels: names of sums, and buckets of a histogram. */
const MAX_KEYS_OF_FIELD = 512;
/** Labels of all classifications together, the two sides apart. */
const MAX_LABELS = 4096;
/** Pairs of labels that were taken for one another. */
const MAX_FLIPS = 2048;
/** Everything that Sluice names itself. A store that others write into may hold more. */
const MAX_OTHERS = 2048;

const SLICE = 'slice/';
const FIELD = 'field/';
const REST = 'rest/';
/** Below a field: rows by label, on the two sides, and flips of a label, counted together whatever it became. */
const LABELS = ['baseline/', 'candidate/', 'flipped/'];

/** Which new keys a set of sums takes in. Parts of keys are encoded: a slash is always ours. */
export class Room {
  readonly #slices = new Map<string, Set<string>>();
  readonly #fields = new Map<string, number>();
  readonly #labels = new Set<string>();
  #flips = 0;
  #others = 0;

  /** Takes note of the keys that are there already. */
  constructor(keys: Iterable<string> = []) {
    for (const key of keys) this.placeOf(key);
  }

  /** The key under which an addition to a new key counts: itself, or what gathers the rest; undefined for what is left out. */
  placeOf(key: string): string | undefined {
    if (key.startsWith(SLICE)) return this.#slice(key);
    if (key.startsWith(FIELD)) return this.#field(key);
    return this.#others++ < MAX_OTHERS ? key : 'overflow';
  }

  /** A value with all of its keys, or with none: pairs without their differences would look like agreement. */
  #slice(key: string): string {
    const [, name = '', value = '', what = ''] = key.split('/');
    const values = this.#slices.get(name) ?? new Set();
    if (values.has(value)) return key;
    if (values.size >= MAX_SLICE_VALUES || (values.size === 0 && this.#slices.size >= MAX_SLICE_NAMES))
      return `${REST}slice/${name}/${what}`;
    this.#slices.set(name, values.add(value));
    return key;
  }

  #field(key: string): string | undefined {
    const end = key.indexOf('/', FIELD.length);
    const field = key.slice(FIELD.length, end);
    const below = key.slice(end + 1);
    const keys = this.#fields.get(field);
    if (keys === undefined && this.#fields.size >= MAX_FIELDS) return restOfField(below);
    this.#fields.set(field, keys ?? 0);
    if (below.startsWith('flip/') && this.#flips++ < MAX_FLIPS) return key;
    // By the baseline's label, so that its agreement is still known.
    if (below.startsWith('flip/')) return this.#label(field, `flipped/${below.split('/')[1]}`);
    if (LABELS.some((side) => below.startsWith(side))) return this.#label(field, below);
    if (keys !== undefined && keys >= MAX_KEYS_OF_FIELD) return 'overflow';
    this.#fields.set(field, (keys ?? 0) + 1);
    return key;
  }

  #label(field: string, below: string): string {
    const label = `${FIELD}${field}/${below}`;
    if (this.#labels.size >= MAX_LABELS && !this.#labels.has(label)) return `${FIELD}${field}/unlisted`;
    this.#labels.add(label);
    return label;
  }
}

/** Of a field without room: how often it was compared, and how often it differed. */
function restOfField(below: string): string | undefined {
  if (below.startsWith('as/')) return `${REST}fields/compared`;
  return below === 'differ' ? `${REST}fields/differ` : undefined;
}
