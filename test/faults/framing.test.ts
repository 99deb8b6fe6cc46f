// The framing grid: the same bytes to us, to nginx and to haproxy, each in front of a backend that records what it sees.
// `SLUICE_GRID=1 npm test -- faults/framing` prints the whole table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway, policyOf } from '../support/gateway.ts';
import { needs } from '../support/programs.ts';
import { type Exchanged, exchangeRaw, type Patience } from '../support/raw-exchange.ts';
import { CASES, type Case, NUMBER } from './framing-cases.ts';
import { type RecordingBackend, recordingBackend } from './recording-backend.ts';
import { startHaproxy, startNginx } from './references.ts';

type Front = { readonly name: string; readonly url: string; readonly backend: RecordingBackend };

const AT_ONCE = 16;
const REFERENCE_PATIENCE = { answers: 1, quietMs: 150, atMostMs: 10_000 };

test(
  'what a reference refuses we refuse, and nothing smuggled reaches a backend',
  needs('nginx', 'haproxy'),
  async (t) => {
    const backends = [await recordingBackend(t), await recordingBackend(t), await recordingBackend(t)] as const;
    const [ours, ...others] = backends;
    const host = (backend: RecordingBackend) => new URL(backend.url).host;
    const fronts: readonly Front[] = [
      { name: 'nginx', url: await startNginx(t, host(others[0])), backend: others[0] },
      { name: 'haproxy', url: await startHaproxy(t, host(others[1])), backend: others[1] },
    ];
    const { url } = await gateway(t, policyOf([ours.url], 'timeout: 20s'));

    const results = await mapLimited(CASES, AT_ONCE, async (each, number) => {
      const bytes = each.bytes.replaceAll(NUMBER, String(number));
      const [us, ...references] = await Promise.all([
        exchangeRaw(url, bytes, patienceWith(each)),
        ...fronts.map((front) => exchangeRaw(front.url, bytes, REFERENCE_PATIENCE)),
      ]);
      return { case: each, us, references, seen: seenOf(ours, number) };
    });

    if (process.env.SLUICE_GRID !== undefined) print(results, fronts);
    const failures = results.flatMap((result) => whyWrong(result).map((why) => `${label(result.case)}: ${why}`));
    assert.deepEqual(failures, []);
    assert.deepEqual(ours.garbage, [], 'no bytes but requests reach the backend');
    assert.ok(
      ours.seen.every(({ headers }) => headers['x-case'] !== undefined),
      'every request at the backend is a case',
    );
    assert.ok(CASES.length >= 100, `${CASES.length} cases`);
  },
);

/** A refusal ends the connection, which is waited for; so that we may be slow. */
function patienceWith({ ours }: Case): Patience {
  const answers = ours.includes(200) || ours.includes(404) ? ours.length : Number.POSITIVE_INFINITY;
  return { answers, quietMs: 150, atMostMs: 10_000 };
}

type Result = {
  readonly case: Case;
  readonly us: Exchanged;
  readonly references: readonly Exchanged[];
  readonly seen: readonly string[];
};

function whyWrong({ case: { ours, seen: expected, allowed }, us, references, seen }: Result): string[] {
  const wrong: string[] = [];
  const say = (list: readonly unknown[]) => `[${list.join(', ')}]`;
  if (say(us.statuses) !== say(ours)) wrong.push(`we answer ${say(us.statuses)}, not ${say(ours)}`);
  const isRefused = !ours.includes(200);
  if (isRefused && !endsInError(us.text)) wrong.push(`the refusal is no JSON: ${us.text}`);
  if (isRefused && !ours.includes(404) && !us.isClosed) wrong.push('the connection stays open after the refusal');
  if (say(seen) !== say(expected)) wrong.push(`the backend saw ${say(seen)}, not ${say(expected)}`);
  const isStricter = references.some((reference) => accepts(reference) < accepts(us));
  if (isStricter && allowed === undefined)
    wrong.push(`we accept more than a reference does: ${references.map(({ statuses }) => say(statuses)).join(' ')}`);
  if (!isStricter && allowed !== undefined) wrong.push('the exception is not needed any more');
  return wrong;
}

function endsInError(text: string): boolean {
  if (text === '') return true;
  const body = JSON.parse(text.slice(text.lastIndexOf('\r\n\r\n')) || '{}') as { error?: unknown };
  return typeof body.error === 'string' && Object.keys(body).length === 1;
}

/** How many requests were taken for good. A 502 means that the reference passed on what its backend refused. */
function accepts({ statuses }: Exchanged): number {
  return statuses.filter((status) => status === 200 || status === 502).length;
}

function seenOf({ seen }: RecordingBackend, number: number): string[] {
  return seen
    .filter(({ headers }) => headers['x-case'] === String(number))
    .map(({ method, path, body }) => `${method} ${path} ${body}`);
}

function label({ row, name }: Case): string {
  return `${row} ${name}`;
}

function print(results: readonly Result[], fronts: readonly Front[]): void {
  const verdict = ({ statuses, isClosed }: Exchanged) => `${statuses.join(' ') || 'none'}${isClosed ? ' closed' : ''}`;
  const rows = results.map(({ case: each, us, references }) => [
    label(each),
    verdict(us),
    ...references.map(verdict),
    each.allowed ?? '',
  ]);
  for (const cells of [['case', 'sluice', ...fronts.map(({ name }) => name), 'allowed by'], ...rows])
    console.log(cells.map((cell, i) => cell.padEnd(i === 0 ? 60 : 18)).join(' '));
}

/** The results in the order of the list, with so many running at once. */
async function mapLimited<A, B>(
  list: readonly A[],
  atOnce: number,
  run: (each: A, i: number) => Promise<B>,
): Promise<B[]> {
  const results: B[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < list.length; i = next++) results[i] = await run(list[i] as A, i);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
