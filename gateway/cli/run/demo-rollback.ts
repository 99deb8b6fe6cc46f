// The demo of a rollback: a candidate that really fails about one digit in five is suspended, asked again by other users, and
// its rollout ends.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDocument } from 'yaml';
import type { Digit } from '../../../model-server/samples/digits.ts';
import type { statusOf } from '../../admin/status.ts';
import { UserError } from '../../errors.ts';
import type { RolloutStanding } from '../../judge/rollout/told.ts';
import { adminClient } from '../ask/admin-client.ts';
import { countText, shareText } from '../text/amounts.ts';
import { type CallResult, sendTraffic } from './demo-traffic.ts';

/** A second's requests; about a hundred a second is what a small service has. */
const A_SECOND = 100;
const LONGEST_S = 180;
const AFTERWARDS = 300;

/** The policy with the failing version in the place of its candidate, and guards; in a folder that `remove` removes. */
export function failingPolicy(
  policyFile: string,
  model: string,
): { readonly file: string; readonly remove: () => void } {
  const doc = parseDocument(readFileSync(policyFile, 'utf8'));
  doc.setIn(['models', model, 'versions', 'v2', 'version'], '3');
  doc.setIn(['models', model, 'rollout', 'id'], 'digits-v3');
  doc.setIn(['models', model, 'rollout', 'rollback'], doc.createNode({ false_alarm: '1%', pause: '3s' }));
  const folder = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, doc.toString());
  return { file, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export type RollbackDemo = {
  readonly url: string;
  readonly adminUrl: string;
  readonly model: string;
  readonly digits: readonly Digit[];
};

/** Sends digits until the rollout of the candidate ends, a line a second; says why, and who answers afterwards. Throws UserError. */
export async function showRollback({ url, adminUrl, model, digits }: RollbackDemo): Promise<void> {
  const { get } = adminClient(adminUrl, {});
  const send = (from: number, requests: number) =>
    sendTraffic({
      url,
      model,
      digits,
      requests,
      users: Number.MAX_SAFE_INTEGER,
      concurrency: 8,
      from,
      onDone: () => {},
    });
  const seen = new Milestones();
  console.log('second   v1 answers   v2 answers   v2 failed   the rollout');
  for (let second = 1; second <= LONGEST_S; second++) {
    const [results] = await Promise.all([send(second * A_SECOND, A_SECOND), sleep(1000)]);
    const standing = rolloutIn(await get('/api/status'), model);
    console.log(lineOf(second, results, standing));
    for (const line of seen.linesOf(second, standing)) console.log(line);
    if (standing?.rolledBack === undefined) continue;
    console.log(endText(second, standing));
    const after = await send((second + 1) * A_SECOND, AFTERWARDS);
    const left = after.filter(({ version }) => version === 'v2').length;
    console.log(
      `\nof the next ${AFTERWARDS} requests v2 answered ${left}; its share is ${shareText(standing.share)}, and rollout ${standing.id} never comes back`,
    );
    return;
  }
  throw new UserError(
    `the rollout of v2 did not end within ${LONGEST_S} s, although v2 fails; run the demo again with less load on this machine`,
  );
}

/** What happened to the rollout, each step once. */
class Milestones {
  #phase = '';
  #suspendedAt = 0;

  /** Lines for a second in which the rollout moved. */
  linesOf(second: number, standing: RolloutStanding | undefined): string[] {
    const is = standing?.suspended?.is ?? 'none';
    const phase = `${is} ${standing?.suspended?.failedProbes ?? 0}`;
    if (standing?.suspended === undefined || phase === this.#phase) return [];
    this.#phase = phase;
    const { sentence, next, asked } = standing.suspended;
    if (is === 'probing')
      return [
        `\nprobe, second ${second}: ${shareText(asked.share)} of the users, who had v1 before, ask v2 again`,
        '  if it fails again, the rollout ends; everyone else stays with v1\n',
      ];
    this.#suspendedAt ||= second;
    const when = second === this.#suspendedAt ? `suspended, second ${second}` : `suspended again, second ${second}`;
    return [`\n${when}: all users have v1 again`, `  why: ${sentence}`, `  next: ${next}\n`];
  }
}

function endText(second: number, { rolledBack }: RolloutStanding): string {
  const examples = rolledBack?.examples ?? [];
  const shown = examples.length === 0 ? '' : `\n  for example request ${examples.join(', ')}`;
  return `\nended, second ${second}: the evidence came back, so this is no accident\n  why: ${rolledBack?.sentence}${shown}`;
}

function rolloutIn(status: unknown, model: string): RolloutStanding | undefined {
  const served = (status as ReturnType<typeof statusOf>).models[model];
  return served !== undefined && 'rollouts' in served ? served.rollouts[0]?.standing : undefined;
}

function lineOf(second: number, results: readonly CallResult[], standing: RolloutStanding | undefined): string {
  const by = (label: string) => results.filter(({ version }) => version === label);
  const failed = by('v2').filter(({ status }) => status !== 200).length;
  const cells = [
    [second, 6],
    [by('v1').length, 13],
    [by('v2').length, 13],
    [failed, 12],
  ] as const;
  return `${cells.map(([value, width]) => String(value).padStart(width)).join('')}   ${placeText(standing)}`;
}

/** Where the rollout is, in a few words. */
function placeText(standing: RolloutStanding | undefined): string {
  const { suspended, guards = [], phase = '' } = standing ?? {};
  if (suspended?.is === 'paused')
    return `suspended, ${suspended.probeInMs > 0 ? `a probe in ${Math.ceil(suspended.probeInMs / 1000)} s` : 'a probe is about to begin'}`;
  const weighed = guards.filter(({ needed }) => needed > 1); // the breaker weighs nothing
  const [strongest] = weighed.toSorted((a, b) => b.evidence / b.needed - a.evidence / a.needed);
  const isOver = standing?.rolledBack !== undefined;
  if (isOver || strongest === undefined || strongest.evidence < 1) return phase;
  return `${phase}, ${strongest.guard}: odds ${oddsText(strongest.evidence)} to 1, ${oddsText(strongest.needed)} needed`;
}

function oddsText(odds: number): string {
  return odds >= 1e6 ? 'over a million' : countText(odds < 10 ? +odds.toPrecision(2) : Math.round(odds));
}
