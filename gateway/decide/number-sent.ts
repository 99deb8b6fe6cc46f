// A number of a body as it was written. JavaScript's own keeps 15 to 17 digits: ids of 19 digits would become one another.

/** A number that was sent. Its text is looked for only where somebody asks: ranges need the value alone. */
export class NumberSent {
  /** As near as a double comes. */
  readonly value: number;
  readonly #read: () => string | undefined;

  constructor(value: number, read: () => string | undefined) {
    this.value = value;
    this.#read = read;
  }

  /** As it is written in the body, such as `1.10` or `1e3`. */
  get written(): string {
    return this.#read() ?? String(this.value);
  }

  /**
   * Its value in one way for every way to write it, with every digit: 1, 1.0 and 10e-1 are all `1`. What reads as a whole
   * number up to 2^53 is that number, and its body is not searched again.
   */
  get text(): string {
    return Number.isSafeInteger(this.value) ? String(this.value) : exactText(this.written);
  }
}

/** A value as sum of decimal digits: `digits` times ten to the `exponent`; no zeros at either end, and none at all for 0. */
type Decimal = { readonly sign: string; readonly digits: string; readonly exponent: number };

const NUMBER = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/;

/** Zeros that are written out; a number that needs more keeps its exponent. */
const MOST_ZEROS = 32;

/** A number's value as text, the same for every way to write it. What a double holds is written as JavaScript writes it. */
export function exactText(written: string): string {
  const own = decimalOf(written);
  if (own === undefined) return written;
  const short = String(Number(written));
  const held = decimalOf(short);
  return held !== undefined && isEqual(held, own) ? short : textOf(own);
}

function decimalOf(text: string): Decimal | undefined {
  const [, sign = '', whole = '', fraction = '', power = '0'] = NUMBER.exec(text) ?? [];
  if (whole === '') return undefined;
  const all = withoutZerosBefore(whole + fraction);
  const digits = withoutZerosBehind(all);
  if (digits === '') return { sign: '', digits, exponent: 0 };
  return { sign, digits, exponent: Number(power) - fraction.length + all.length - digits.length };
}

// Loops: a regular expression would take the square of a megabyte of zeros.
function withoutZerosBefore(digits: string): string {
  let start = 0;
  while (digits[start] === '0') start++;
  return digits.slice(start);
}

function withoutZerosBehind(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  return digits.slice(0, end);
}

function isEqual(a: Decimal, b: Decimal): boolean {
  return a.digits === b.digits && a.exponent === b.exponent && a.sign === b.sign;
}

function textOf({ sign, digits, exponent }: Decimal): string {
  if (exponent >= 0 && exponent <= MOST_ZEROS) return sign + digits + '0'.repeat(exponent);
  const point = digits.length + exponent;
  if (exponent < 0 && point > 0) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (exponent < 0 && point >= -MOST_ZEROS) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${digits}e${exponent}`;
}
