// Values with units, as people write them in the policy, and what they are worth.
import { z } from 'zod';

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Names of models, versions and servers: safe in a URL, a metric label, a salt and a file name. */
export const name = z
  .string()
  .regex(NAME, {
    error: ({ input }) =>
      `expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit${nameLike(input)}`,
  })
  .meta({
    title: 'name',
    description: 'At most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit.',
  });

/** A number without a sign; the schema's pattern holds it, for editors. */
const AMOUNT = '\\d{1,12}(\\.\\d{1,6})?';
/** 1.1 s is 1100 ms, and not 1100.0000000000001. */
const DECIMALS = 1e6;
/** Node's timers fire at once beyond 2^31 - 1 ms, so no duration may get there. */
const LONGEST_MS = 2 ** 31 - 1;
export const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
export const UNIT_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** `250ms`, `5s`, `10m`, `1h`, `7d` -> milliseconds, at least 1 and at most 24 days. */
export const duration = withUnit(UNIT_MS, 'a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d')
  .refine(isDuration, 'expected a duration from 1ms to 24d')
  .meta({ title: 'duration', description: 'A number with ms, s, m, h or d: 250ms, 1.5s, 10m. From 1ms to 24d.' });

/** Bytes exactly, as a setting has them: `16MiB`, `1.5GiB`, `1025B`. */
export function sizeText(bytes: number): string {
  const isShort = (size: number) => bytes >= size && Number.isInteger((100 * bytes) / size);
  const [unit, size] = Object.entries(UNIT_BYTES).findLast(([, each]) => isShort(each)) ?? ['B', 1];
  return `${bytes / size}${unit}`;
}

/** `512KiB`, `16MiB` -> bytes. */
export const bytes = withUnit(UNIT_BYTES, 'a size with a unit, such as 512KiB or 16MiB')
  .refine((size) => size >= 1 && Number.isInteger(size), 'expected a size of at least 1B')
  .meta({ title: 'size', description: 'A number with B, KiB, MiB or GiB: 512KiB, 16MiB.' });

/** `5%` -> 0.05, from 0 to 1. */
export const percentage = z
  .string('expected a percentage with its sign, such as 5%')
  .regex(/^\d{1,3}(\.\d{1,4})?%$/, 'expected a percentage with its sign and at most four decimals, such as 5%')
  .transform(toShare)
  .refine((share) => share <= 1, { error: 'expected a percentage of at most 100%', abort: true })
  .meta({ title: 'percentage', description: 'From 0% to 100%, with its sign and at most four decimals: 5%, 0.25%.' });

/** `1.5x` -> 1.5, above 1. */
export const ratio = z
  .string('expected a ratio such as 1.5x')
  .regex(/^\d{1,4}(\.\d{1,4})?x$/, 'expected a ratio such as 1.5x')
  .transform((text) => Number.parseFloat(text))
  .refine((value) => value > 1, 'expected a ratio above 1x')
  .meta({ title: 'ratio', description: 'A number above 1 with an x: 1.5x.' });

/** The name that a text with capitals or spaces would make, or nothing. */
function nameLike(text: unknown): string {
  const like = /^[\w. -]+$/.test(String(text)) ? String(text).toLowerCase().replaceAll(' ', '-') : '';
  return NAME.test(like) ? `, such as ${like}` : '';
}

/** Whether a number of milliseconds is one that a timer can wait for. */
export function isDuration(ms: number): boolean {
  return ms >= 1 && ms <= LONGEST_MS;
}

/** `5%` as a share of 1, without the noise of a division by 100. */
export function toShare(text: string): number {
  return Number(`${text.slice(0, -1)}e-2`);
}

/** `10m` in milliseconds. */
export function toMilliseconds(text: string): number {
  return amountIn(text, UNIT_MS) ?? Number.NaN;
}

/** A number with one of these units, without a sign and with at most six decimals: `1.5s`. undefined for any other text. */
export function amountIn(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [unit = ''] = /[A-Za-z]*$/.exec(text) ?? [];
  const number = text.slice(0, text.length - unit.length);
  const size = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (size === undefined || !new RegExp(`^${AMOUNT}$`).test(number)) return undefined;
  return Math.round(Number(number) * size * DECIMALS) / DECIMALS;
}

function withUnit(units: Readonly<Record<string, number>>, expected: string) {
  const pattern = new RegExp(`^${AMOUNT}(${Object.keys(units).join('|')})$`);
  return z
    .string(`expected ${expected}`)
    .regex(pattern, `expected ${expected}`)
    .transform((text) => amountIn(text, units) ?? Number.NaN);
}
