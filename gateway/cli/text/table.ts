/** Rows of text in aligned columns, indented by two; the columns from the `right` ones on stand to the right. */
export function table(rows: readonly (readonly string[])[], right = Number.POSITIVE_INFINITY): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, [...cell].length);
  return rows.map((row) => lineOf(row, widths, right)).join('\n');
}

function lineOf(row: readonly string[], widths: readonly number[], right: number): string {
  const cells = row.map((cell, i) => (i < right ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
  return `  ${cells.join('  ').trimEnd()}`;
}
