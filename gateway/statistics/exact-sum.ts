// Sums with twice the digits of a double, as two numbers: the sum as it is rounded, and the rest that rounding left out.
// Differences of 100,000,000 and a little have squares of 17 digits, and their spread is in the last ones.

/** What a sum's rounding left out, exactly (Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B). */
export function restOfSum(a: number, b: number, sum: number): number {
  const part = sum - a;
  return a - (sum - part) + (b - part);
}

const SPLIT = 2 ** 27 + 1;

/** What a product's rounding left out, exactly (Dekker 1971). */
export function restOfProduct(a: number, b: number, product: number): number {
  const [highA, highB] = [highPart(a), highPart(b)];
  const [lowA, lowB] = [a - highA, b - highB];
  return highA * highB - product + highA * lowB + lowA * highB + lowA * lowB;
}

function highPart(value: number): number {
  const scaled = SPLIT * value;
  return scaled - (scaled - value);
}

/** A sum that keeps the rest. */
export class ExactSum {
  sum = 0;
  #rest = 0;

  /** 0 where numbers are too large to have one. */
  get rest(): number {
    return Number.isFinite(this.#rest) ? this.#rest : 0;
  }

  add(value: number, restOfValue = 0): void {
    const sum = this.sum + value;
    this.#rest += restOfSum(this.sum, value, sum) + restOfValue;
    this.sum = sum;
  }

  addSquare(value: number): void {
    const square = value * value;
    this.add(square, restOfProduct(value, value, square));
  }
}

/** A decimal of more digits than a double has, such as Redis adds up, as the nearest double and the rest. */
export function exactlyIn(text: string): { readonly sum: number; readonly rest: number } {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  const exact = new ExactSum();
  if (whole === '') exact.add(Number(text));
  const factor = sign === '-' ? -1 : 1;
  // Every piece is a double's, and so is the power of ten that it is to be multiplied by.
  for (let end = whole.length, power = 1; end > 0; end -= 7, power *= 1e7) {
    const piece = factor * Number(whole.slice(Math.max(0, end - 7), end));
    exact.add(piece * power, restOfProduct(piece, power, piece * power));
  }
  if (fraction !== '') exact.add(factor * Number(`0.${fraction}`));
  const sum = exact.sum + exact.rest;
  return { sum, rest: restOfSum(exact.sum, exact.rest, sum) };
}
