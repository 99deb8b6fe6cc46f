// The demo of a rollback: a candidate that really fails about one digit in five, and what the gateway makes of it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDocument } from 'yaml';
import type { Digit } from '../../model-server/training/digits-data.ts';
import type { statusOf } from '../admin/status.ts';
import { UserError } from '../errors.ts';
import type { RolloutStanding } from '../judge/told.ts';
import { adminClient } from './admin-client.ts';
import { shareText } from './amounts.ts';
import { type CallResult, sendTraffic } from './demo-traffic.ts';

/** A second's requests; about a hundred a second is what a small service has. */
const A_SECOND = 100;
const LONGEST_S = 45;
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

/** Sends digits until the candidate is rolled back, a line a second; tells why, and who answers afterwards. Throws UserError. */
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
  console.log('second   v1 answers   v2 answers   v2 failed   evidence against v2');
  for (let second = 1; second <= LONGEST_S; second++) {
    const [results] = await Promise.all([send(second * A_SECOND, A_SECOND), sleep(1000)]);
    const standing = rolloutIn(await get('/api/status'), model);
    console.log(lineOf(second, results, standing));
    if (standing?.rolledBack === undefined) continue;
    console.log(
      `\nrolled back: ${standing.rolledBack.sentence}\nfor example: ${standing.rolledBack.examples.join(', ')}`,
    );
    const after = await send((second + 1) * A_SECOND, AFTERWARDS);
    const left = after.filter(({ version }) => version === 'v2').length;
    console.log(
      `\nof the next ${AFTERWARDS} requests v2 answered ${left}; its share is ${shareText(standing.share)} for ever`,
    );
    return;
  }
  throw new UserError(`v2 was not rolled back within ${LONGEST_S} s, although it fails`);
}

function rolloutIn(status: unknown, model: string): RolloutStanding | undefined {
  const served = (status as ReturnType<typeof statusOf>).models[model];
  return served !== undefined && 'rollouts' in served ? served.rollouts[0]?.standing : undefined;
}

function lineOf(second: number, results: readonly CallResult[], standing: RolloutStanding | undefined): string {
  const by = (label: string) => results.filter(({ version }) => version === label);
  const failed = by('v2').filter(({ status }) => status !== 200).length;
  const strongest = (standing?.guards ?? []).toSorted((a, b) => b.evidence / b.needed - a.evidence / a.needed)[0];
  const evidence =
    strongest === undefined
      ? ''
      : `${strongest.guard}: odds ${strongest.evidence.toPrecision(2)} to 1 of the ${Math.round(strongest.needed)} needed`;
  const cells = [
    [second, 6],
    [by('v1').length, 13],
    [by('v2').length, 13],
    [failed, 12],
  ] as const;
  return `${cells.map(([value, width]) => String(value).padStart(width)).join('')}   ${evidence}`;
}
