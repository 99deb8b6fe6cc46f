// The text of `--help`, from the table that the arguments are parsed by.
import type { Option, OptionTable } from './options.ts';

type Row = readonly [left: string, right: string];
type Positional = Extract<Option, { kind: 'positional' }>;
type Ignored = Extract<Option, { kind: 'ignored' }>;
type Flag = Exclude<Option, Positional | Ignored>;

const PLACEHOLDER = {
  string: ' <text>',
  list: ' <text>',
  choice: ' <word>',
  port: ' <port>',
  count: ' <n>',
  bytes: ' <size>',
  milliseconds: ' <time>',
  fraction: ' <number>',
  flag: '',
} as const;

/** The text of `--help`. */
export function helpText(usage: string, about: string, table: OptionTable): string {
  const entries = Object.entries(table);
  const words = entries.flatMap(([name, option]) => (option.kind === 'positional' ? [{ name, option }] : []));
  const flags = entries.flatMap(([name, option]) =>
    option.kind === 'positional' || option.kind === 'ignored' ? [] : [{ name, option }],
  );
  const hasShort = flags.some(({ option }) => option.short !== undefined);
  const rows = [
    ...words.map(({ name, option }) => wordRow(name, option)),
    ...flags.map(({ name, option }) => flagRow(name, option, hasShort)),
  ];
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  const lines = rows.map(([left, right]) => left.padEnd(width) + right);
  const line = [usage, ...words.map(({ name, option }) => usageWord(name, option))].join(' ');
  return `Usage: ${line}\n\n${about}\n\n${lines.join('\n')}\n${ignoredText(entries)}`;
}

function usageWord(name: string, option: Positional): string {
  return option.default === undefined ? name.toUpperCase() : `[${name.toUpperCase()}]`;
}

function wordRow(name: string, { help, default: standard, env }: Positional): Row {
  return [
    `  ${name.toUpperCase()}`,
    help + notesText([...(standard ? [`default ${standard}`] : []), ...(env ? [env] : [])]),
  ];
}

function flagRow(name: string, option: Flag, hasShort: boolean): Row {
  const gap = hasShort ? '    ' : '';
  const short = option.short === undefined ? gap : `-${option.short}, `;
  const choices = option.kind === 'choice' ? `: ${option.of.join(', ')}` : '';
  return [`  ${short}--${name}${PLACEHOLDER[option.kind]}`, option.help + choices + notesText(notesOf(option))];
}

function notesOf(option: Flag): string[] {
  if (option.kind === 'flag' || option.kind === 'fraction') return [];
  if (option.kind === 'list') return ['may be repeated'];
  const standard = option.default === '' ? withoutText(option) : `default ${shown(option)}`;
  return [standard, ...(option.env ? [option.env] : [])];
}

function withoutText(option: Exclude<Flag, { kind: 'flag' | 'fraction' | 'list' }>): string {
  if (option.kind !== 'string') return 'no default';
  return option.isRequired ? 'required' : (option.without ?? 'no default');
}

function notesText(notes: readonly string[]): string {
  return notes.length > 0 ? ` (${notes.join(', ')})` : '';
}

function shown(option: Exclude<Flag, { kind: 'flag' | 'fraction' | 'list' }>): string {
  if (option.kind === 'bytes') return `${option.default / 1024 ** 2}MiB`;
  if (option.kind === 'milliseconds') return `${option.default / 1000}s`;
  return String(option.default);
}

function ignoredText(entries: readonly (readonly [string, Option])[]): string {
  const names = entries.flatMap(([name, option]) => {
    if (option.kind !== 'ignored') return [];
    return [option.short === undefined ? `--${name}` : `-${option.short}/--${name}`];
  });
  return names.length === 0 ? '' : `\nAccepted and ignored: ${names.join(' ')}\n`;
}
