import type { Summaries } from '../../admin/comparisons.ts';
import { COMPARISON_KINDS, type Comparison } from '../../compare/comparison.ts';
import { UserError } from '../../errors.ts';
import { duration } from '../../policy/units.ts';
import type { Page } from '../../store/store.ts';
import type { Command } from '../command.ts';
import type { Values } from '../options.ts';
import { ADMIN_OPTIONS, type AdminClient, adminClient, type Parameters } from './admin-client.ts';
import { comparisonLine, comparisonTable, summaryText } from './comparisons-text.ts';

const OPTIONS = {
  model: { kind: 'string', default: '', help: 'only of this model' },
  shadow: { kind: 'string', default: '', help: 'only of this shadow' },
  version: { kind: 'string', default: '', help: 'only with this version on either side' },
  kind: { kind: 'choice', of: ['any', ...COMPARISON_KINDS], default: 'any', help: 'only of this kind' },
  field: { kind: 'string', default: '', help: 'only where this output or JSON field differs' },
  since: { kind: 'string', default: '', help: 'from then on: a time such as 2026-01-31T12:00Z, or as long ago as 15m' },
  until: { kind: 'string', default: '', help: 'up to then' },
  limit: { kind: 'count', default: 20, help: 'how many, the newest first' },
  follow: { kind: 'flag', short: 'f', help: 'go on with what comes, until stopped' },
  summary: { kind: 'flag', help: 'what they add up to, in place of each one; the last day when no time is given' },
  json: { kind: 'flag', help: 'as JSON, one comparison a line' },
  ...ADMIN_OPTIONS,
} as const;

type Options = Values<typeof OPTIONS>;

/** Comparisons asked for at once. */
const PAGE = 500;
const WAIT_MS = 10_000;

/** `sluice comparisons`: lists, follows, exports and sums up what the shadows of a running gateway said. */
export const comparisonsCommand: Command<typeof OPTIONS> = {
  usage: 'sluice comparisons [options]',
  about: `Tells what versions in shadow said beside what callers got. To export, as JSON lines: --json --limit 50000 > file.
Columns: when, how the two relate, model/shadow, versions, what differs, latency of the candidate minus the baseline's, request id.`,
  options: OPTIONS,
  async run(options) {
    if (options.follow && options.summary) throw new UserError('--follow and --summary do not go together', 2);
    const client = adminClient(options.admin, process.env);
    if (options.summary) await sumUp(client, options);
    else await list(client, options);
  },
};

async function sumUp(client: AdminClient, options: Options): Promise<void> {
  const { model, shadow, since, until } = filterOf(options, Date.now());
  const summaries = (await client.get('/api/comparisons/summary', { model, shadow, since, until })) as Summaries;
  console.log(options.json ? JSON.stringify(summaries) : summaryText(summaries));
}

async function list(client: AdminClient, options: Options): Promise<void> {
  const filter = filterOf(options, Date.now());
  let left = options.limit;
  let cursor: string | undefined;
  let newest: string | undefined;
  do {
    const page = (await client.get('/api/comparisons', { ...filter, limit: Math.min(left, PAGE), cursor })) as Page;
    newest ??= page.newest;
    left -= page.comparisons.length;
    cursor = page.cursor;
    print(page.comparisons, options.json);
  } while (left > 0 && cursor !== undefined);
  if (options.follow) await follow(client, filter, newest, options.json);
  else if (left === options.limit && !options.json) console.log('no comparison fits');
}

async function follow(client: AdminClient, filter: Parameters, from: string, asJson: boolean): Promise<never> {
  for (let after = from; ; ) {
    const page = (await client.get('/api/comparisons', { ...filter, after, limit: PAGE, wait: WAIT_MS })) as Page;
    print(page.comparisons, asJson);
    after = page.newest;
  }
}

function print(comparisons: readonly Comparison[], asJson: boolean): void {
  if (comparisons.length === 0) return;
  console.log(
    asJson
      ? comparisons.map((one) => JSON.stringify(one)).join('\n')
      : comparisonTable(comparisons.map(comparisonLine)),
  );
}

function filterOf(options: Options, now: number) {
  const { model, shadow, version, kind, field, since, until } = options;
  const given = (text: string) => (text === '' ? undefined : text);
  return {
    model: given(model),
    shadow: given(shadow),
    version: given(version),
    kind: kind === 'any' ? undefined : kind,
    field: given(field),
    since: given(since) && timeOf(since, now, '--since'),
    until: given(until) && timeOf(until, now, '--until'),
  };
}

/** Milliseconds since 1970 of a time, or of as long ago. */
function timeOf(text: string, now: number, flag: string): number {
  const ago = duration.safeParse(text);
  const time = ago.success ? now - ago.data : Date.parse(text);
  if (Number.isFinite(time)) return time;
  throw new UserError(
    `${flag}: expected a time such as 2026-01-31T12:00Z, or how long ago, such as 15m, got "${text}"`,
    2,
  );
}
