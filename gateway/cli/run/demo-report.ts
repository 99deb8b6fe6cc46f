import type { CallResult } from './demo-traffic.ts';

/** The table of the run, and whether sticky callers stayed where they were. */
export function report(results: readonly CallResult[]): string {
  const byVersion = groupBy(results, ({ version }) => version ?? '(none)');
  const rows = [...byVersion]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([version, calls]) => rowOf(version, calls, results.length));
  const widths = [10, 10, 9, 10, 8, 9, 9];
  const table = [['version', 'requests', 'share', 'accuracy', 'errors', 'p50 ms', 'p99 ms'], ...rows]
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(''),
    )
    .join('\n');
  const users = groupBy(results, ({ user }) => user);
  const moved = [...users.values()].filter((calls) => new Set(calls.map(({ version }) => version)).size > 1).length;
  return `\n${table}\n\n${users.size} users, ${moved} of them saw more than one version.`;
}

function rowOf(version: string, calls: readonly CallResult[], total: number): string[] {
  const answered = calls.filter(({ status }) => status === 200);
  const correct = answered.filter(({ isCorrect }) => isCorrect).length;
  const latencies = calls.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const quantile = (q: number) =>
    (latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0).toFixed(1);
  return [
    version,
    String(calls.length),
    `${((100 * calls.length) / total).toFixed(2)} %`,
    answered.length === 0 ? '-' : `${((100 * correct) / answered.length).toFixed(2)} %`,
    String(calls.length - answered.length),
    quantile(0.5),
    quantile(0.99),
  ];
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
