// Flags and environment variables from one table: parsing, checking and --help cannot drift apart.
import { parseArgs } from 'node:util';
import { UserError } from '../errors.ts';
import { amountIn, UNIT_BYTES, UNIT_MS } from '../policy/units.ts';
import { settingIn } from './injected.ts';

/** Refuses a value by a UserError; `source` is what it was given by, the flag or the variable. */
type Check<T> = (value: T, source: string) => void;

type Scalar =
  | {
      readonly kind: 'string';
      readonly default: string;
      /** Said in place of a default: what happens without the option, or that it must be given. */
      readonly without?: string;
      readonly isRequired?: true;
      readonly check?: Check<string>;
    }
  | { readonly kind: 'choice'; readonly default: string; readonly of: readonly string[] }
  | {
      readonly kind: 'port' | 'count' | 'bytes' | 'milliseconds';
      readonly default: number;
      readonly check?: Check<number>;
    };

type Shown = { readonly help: string; readonly short?: string };

export type Option =
  | (Scalar & Shown & { readonly env?: string })
  | (Shown & { readonly kind: 'flag' })
  /** Text that may be given several times. */
  | (Shown & { readonly kind: 'list' })
  /** A number in [0, 1); undefined when left out. */
  | (Shown & { readonly kind: 'fraction' })
  /** Accepted and without meaning, because people paste it; it may come with a value. */
  | { readonly kind: 'ignored'; readonly short?: string; readonly takesValue?: true }
  /** A word without a flag, in the order of the table. Without a default it must be there. */
  | {
      readonly kind: 'positional';
      readonly env?: string;
      readonly default?: string;
      /** A word that may stand before it and means nothing. */
      readonly after?: string;
      readonly help: string;
    };

export type OptionTable = Readonly<Record<string, Option>>;

type ValueOf = {
  readonly string: string;
  readonly choice: string;
  readonly positional: string;
  readonly list: readonly string[];
  readonly flag: boolean;
  readonly fraction: number | undefined;
  readonly ignored: undefined;
  readonly port: number;
  readonly count: number;
  readonly bytes: number;
  readonly milliseconds: number;
};

export type Values<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends { kind: 'choice'; of: readonly (infer C)[] } ? C : ValueOf[T[K]['kind']];
};

/** A command line to read: `--help` alone is answered by the caller with `helpText`. */
export type Parsed<T extends OptionTable> =
  | { readonly help: true }
  | { readonly help: false; readonly values: Values<T> };

const USAGE_ERROR = 2;
const RANGE = { port: [0, 65_535], count: [1, 1_000_000], bytes: [1, 2 ** 31], milliseconds: [0, 3_600_000] } as const;
/** Numbers of these kinds are whole; times and sizes are written as in the policy. */
const UNITS: Readonly<Record<keyof typeof RANGE, Readonly<Record<string, number>>>> = {
  port: { '': 1 },
  count: { '': 1 },
  bytes: { '': 1, ...UNIT_BYTES },
  milliseconds: UNIT_MS,
};

const EXPECTED = {
  port: 'a port from 0 to 65535',
  count: 'a whole number from 1 to 1000000',
  bytes: 'a size such as 16MiB or 1.5GiB, at most 2GiB',
  milliseconds: 'a time with its unit, such as 500ms or 1.5s, at most 60m',
} as const;

/** Reads arguments, then the environment, then defaults. Throws UserError (exit code 2) for what it cannot read. */
export function parseOptions<T extends OptionTable>(
  argv: readonly string[],
  table: T,
  env: NodeJS.ProcessEnv,
): Parsed<T> {
  const { values: flags, positionals } = parseFlags(argv, table);
  if (flags.help === true) return { help: true };
  const words = placeWords(positionals, table);
  const values = Object.entries(table).map(([name, option]) => [
    name,
    option.kind === 'positional' ? readWord(name, option, words[name], env) : readFlag(name, option, flags[name], env),
  ]);
  return { help: false, values: Object.fromEntries(values) };
}

type Words = { readonly values: Readonly<Record<string, unknown>>; readonly positionals: readonly string[] };

function parseFlags(argv: readonly string[], table: OptionTable): Words {
  const options = Object.entries(table).flatMap(([name, option]) => {
    if (option.kind === 'positional') return [];
    const isBare = option.kind === 'flag' || (option.kind === 'ignored' && option.takesValue !== true);
    const short = option.short === undefined ? {} : { short: option.short };
    const type = isBare ? ('boolean' as const) : ('string' as const);
    return [[name, { type, multiple: option.kind === 'list', ...short }] as const];
  });
  const help = { type: 'boolean', short: 'h' } as const;
  try {
    return parseArgs({ args: [...argv], options: { ...Object.fromEntries(options), help }, allowPositionals: true });
  } catch (error) {
    const message = error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error);
    throw new UserError(`${message}; --help lists the options`, USAGE_ERROR, { cause: error });
  }
}

/** Which positional each word is. */
function placeWords(words: readonly string[], table: OptionTable): Record<string, string> {
  const positionals = Object.entries(table).flatMap(([name, option]) =>
    option.kind === 'positional' ? [{ name, after: option.after }] : [],
  );
  const isLeadIn = words.length > 1 && words[0] === positionals[0]?.after;
  const meant = isLeadIn ? words.slice(1) : words;
  const surplus = meant[positionals.length];
  if (surplus !== undefined)
    throw new UserError(`unexpected argument "${surplus}"; --help lists the arguments and options`, USAGE_ERROR);
  return Object.fromEntries(
    positionals.flatMap(({ name }, i) => {
      const word = meant[i];
      return word === undefined ? [] : [[name, word]];
    }),
  );
}

function readWord(
  name: string,
  option: Extract<Option, { kind: 'positional' }>,
  given: string | undefined,
  env: NodeJS.ProcessEnv,
): string {
  const value = given ?? settingIn(env, option.env) ?? option.default;
  if (value !== undefined) return value;
  throw missing(name.toUpperCase(), option.help);
}

function missing(what: string, help: string): UserError {
  return new UserError(`missing ${what}, ${help}; --help tells more`, USAGE_ERROR);
}

function readFlag(
  name: string,
  option: Exclude<Option, { kind: 'positional' }>,
  given: unknown,
  env: NodeJS.ProcessEnv,
): unknown {
  switch (option.kind) {
    case 'flag':
      return given === true;
    case 'list':
      return given ?? [];
    case 'ignored':
      return undefined;
    case 'fraction':
      return typeof given === 'string' ? readFraction(given, `--${name}`) : undefined;
    default: {
      if (typeof given === 'string') return readScalar(option, given, `--${name}`);
      const variable = settingIn(env, option.env);
      if (variable !== undefined) return readScalar(option, variable, option.env ?? '');
      if (option.kind === 'string' && option.isRequired) throw missing(`--${name}`, option.help);
      return option.default;
    }
  }
}

function readScalar(option: Scalar, text: string, source: string): string | number {
  if (option.kind === 'string') {
    option.check?.(text, source);
    return text;
  }
  if (option.kind === 'choice') {
    if (option.of.includes(text)) return text;
    throw new UserError(`${source}: expected one of ${option.of.join(', ')}, got "${text}"`, USAGE_ERROR);
  }
  const value = amountIn(text.replace(/\s+(?=[A-Za-z])/, ''), UNITS[option.kind]) ?? Number.NaN;
  const [least, most] = RANGE[option.kind];
  const isWhole = option.kind === 'milliseconds' || Number.isInteger(value);
  if (!isWhole || !(value >= least && value <= most))
    throw new UserError(`${source}: expected ${EXPECTED[option.kind]}, got "${text}"`, USAGE_ERROR);
  option.check?.(value, source);
  return value;
}

function readFraction(text: string, source: string): number {
  const value = /^\d*\.?\d+(e-\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value < 1) return value;
  throw new UserError(`${source}: expected a number from 0 up to but not including 1, got "${text}"`, USAGE_ERROR);
}
