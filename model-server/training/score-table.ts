import type { Score } from './measure.ts';

/** Which of the tables of the page, and the script that writes it. */
export type TableName = 'scores: written by npm run train' | `${string} ladder: written by npm run train:${string}`;

const HEAD = [
  'accuracy where it answers (95 % interval)',
  'correct / answered',
  'failing inputs',
  'file',
  'one run, p50',
];

/** The scores as a Markdown table, a row for each file; padded as biome does, so that lint stays quiet after a run. */
export function scoreTable(scores: ReadonlyMap<string | number, Score>, what = 'version'): string {
  const head = [what, ...HEAD];
  const rows = [head, ...[...scores].map(([file, score]) => [String(file), ...cells(score)])];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const rule = widths.map((width) => '-'.repeat(width));
  return rows
    .toSpliced(1, 0, rule)
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
    .join('\n');
}

/** The page with this table between its two markers. */
export function withScoreTable(
  page: string,
  table: string,
  name: TableName = 'scores: written by npm run train',
): string {
  const marker = `<!-- ${name} -->`;
  const closing = `<!-- end of ${name.split(':')[0]} -->`;
  const begin = page.indexOf(marker);
  const end = page.indexOf(closing);
  if (begin < 0 || end < begin) throw new Error(`the page lacks the markers ${marker} and ${closing}`);
  return `${page.slice(0, begin + marker.length)}\n${table}\n${page.slice(end)}`;
}

/** Wilson's score interval for a share, at 95 % (Wilson 1927); it stays inside 0 to 1 and holds near the ends. */
export function wilson(successes: number, n: number): { low: number; high: number } {
  const z = 1.959964;
  const share = successes / n;
  const scale = 1 + z ** 2 / n;
  const centre = (share + z ** 2 / (2 * n)) / scale;
  const half = (z * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2))) / scale;
  return { low: centre - half, high: centre + half };
}

function cells({ inputs, failed, correct, fileBytes, medianMicroseconds }: Score): string[] {
  const answered = inputs - failed;
  const { low, high } = wilson(correct, answered);
  return [
    `${percent(correct / answered)} (${percent(low)} to ${percent(high)})`,
    `${correct} / ${answered}`,
    `${failed} of ${inputs} (${percent(failed / inputs)})`,
    `${(fileBytes / 1024).toFixed(1)} KiB`,
    `${medianMicroseconds.toFixed(0)} µs`,
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
