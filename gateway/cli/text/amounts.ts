// Amounts as people read them.

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

/** `1h 10m`; `0ms` for nothing. */
export function durationText(ms: number): string {
  let rest = ms;
  const parts = UNITS.flatMap(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count > 0 ? [`${count}${unit}`] : [];
  });
  if (rest > 0 || parts.length === 0) parts.push(`${+rest.toFixed(3)}ms`);
  return parts.join(' ');
}

/** 0.1 -> `10 %`. */
export function shareText(share: number): string {
  return `${+(share * 100).toFixed(4)} %`;
}

/** 100000 -> `100,000`. */
export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 model`, `2 models`. */
export function countedText(count: number, what: string): string {
  return `${countText(count)} ${what}${count === 1 ? '' : 's'}`;
}
