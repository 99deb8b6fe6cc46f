// A cascade with real models and everything that is held out, through a real gateway: what it saves, what it costs, and what
// `sluice tune` and `sluice replay` say of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ladderText, measureLadder } from '../../gateway/cli/run/demo-tiers.ts';
import { LocalSetup } from '../../gateway/cli/run/local-setup.ts';
import type { Replay } from '../../gateway/tune/replay.ts';
import type { Tuned } from '../../gateway/tune/tune.ts';
import { digitsOf } from '../../model-server/samples/digits.ts';
import { readHeldOut } from '../../model-server/samples/held-out.ts';
import { readMails } from '../../model-server/samples/held-out-mails.ts';
import { type Labelled, labelledDigit, labelledMail } from '../../model-server/samples/labelled.ts';
import { loadDigits } from '../../model-server/training/digits-data.ts';
import { folderOf } from '../support/folder.ts';
import { undo } from '../support/undo.ts';

const POLICY = 'config/examples/cascade.yaml';
const HELD_OUT: readonly (readonly [name: string, least: number, inputs: () => readonly Labelled[]])[] = [
  ['digits', 2000, () => digitsOf(readHeldOut('config/data')).map(labelledDigit)],
  ['spam', 1000, () => readMails('config/data/mails-held-out.jsonl.gz').map(labelledMail)],
];

/**
 * Who answers an input is certain; what a run takes is not, on a machine on which other tests run. The interval of a cost has
 * room for other inputs, not for another pace, so it is asserted this many times as wide.
 */
const RELAXED = 5;

async function setUp(t: TestContext) {
  const setup = new LocalSetup({
    policyFile: POLICY,
    models: 'config/models',
    logLevel: 'error',
    ports: 'free',
    gatewayArgs: ['--port', '0', '--admin-port', '0'],
  });
  undo(t, () => setup.stop());
  await setup.start();
  const folder = folderOf(t, 'cascade');
  const { url = '', adminUrl = '' } = setup.gateway ?? {};
  /** Runs a command on these inputs; returns what it printed. Throws when it fails. */
  const sluice = (inputs: readonly Labelled[], ...args: string[]): Promise<string> => {
    const file = join(folder, 'inputs.jsonl');
    writeFileSync(file, inputs.map((input) => `${JSON.stringify(input)}\n`).join(''));
    return outputOf(['dist/gateway/main.js', ...args, '--inputs', file, '--url', url, '--admin', adminUrl]);
  };
  return { url, adminUrl, servers: setup.servers.map((server) => server.url), folder, sluice };
}

function outputOf(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  return new Promise((resolve, reject) =>
    child.on('exit', (code) => (code === 0 ? resolve(Buffer.concat(pieces).toString()) : reject(new Error(`${code}`)))),
  );
}

test('the cascades answer as well as their last tiers, for less than 40 % of the inference time, as replay foretells', async (t) => {
  const { url, adminUrl, servers, sluice } = await setUp(t);
  for (const [name, least, read] of HELD_OUT) {
    const inputs = read();
    const replayed = JSON.parse(await sluice(inputs, 'replay', name, '--policy', POLICY, '--json')) as Replay;
    const at = { url, adminUrl, serverUrls: servers, concurrency: 2 };
    const result = await measureLadder({ ...at, name, models: [`${name}-balanced`, `${name}-accurate`], inputs });
    t.diagnostic(ladderText([result]).split('\n')[1] ?? '');
    assert.ok(result.inputs >= least);
    assert.ok(result.cost <= 0.4, `${name} costs ${result.cost} of always the last tier`);
    assert.ok(Math.abs(result.difference.is) <= 0.005, `${name}: ${result.difference.is}`);

    const [policy] = replayed.ladders;
    const { cost, difference, shares } = policy ?? {};
    assert.ok(cost !== undefined && difference !== undefined && shares !== undefined);
    t.diagnostic(
      `${name} as replayed: ${(100 * difference.is).toFixed(2)} points, cost ${(100 * cost.is).toFixed(1)} % (${(100 * cost.low).toFixed(1)} to ${(100 * cost.high).toFixed(1)})`,
    );
    for (const [tier, share] of Object.entries(shares)) {
      const answered = result.shares.get(`${name}-${tier}`) ?? 0;
      assert.equal(Math.round(answered * inputs.length), Math.round(share * inputs.length), `${name}: by ${tier}`);
    }
    assert.equal(result.difference.is, difference.is);
    assert.ok(difference.high - difference.is <= 0.01, 'at most a point on each side');
    assert.ok(cost.high - cost.is <= 0.1, 'at most a tenth of the cost on each side');
    assert.deepEqual(replayed.beaten, []);
    const [low, high] = [cost.is - RELAXED * (cost.is - cost.low), cost.is + RELAXED * (cost.high - cost.is)];
    assert.ok(low <= result.cost && result.cost <= high, `${name}: ${result.cost} is not in ${low} to ${high}`);
  }
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    models: Record<string, { escalation?: { isAlarmed: boolean; degraded: object; requests: number } }>;
  };
  assert.deepEqual(
    [(status.models.digits?.escalation?.requests ?? 0) % 2000, status.models.digits?.escalation?.isAlarmed],
    [0, false],
  );
  assert.ok((status.models.digits?.escalation?.requests ?? 0) >= 2000);
});

test('the committed threshold of the digits is the one that tune finds, and its patch makes the policy say so', async (t) => {
  const { sluice, folder } = await setUp(t);
  const policy = join(folder, 'policy.yaml');
  const committed = readFileSync(POLICY, 'utf8');
  writeFileSync(policy, committed.replace('below: { balanced: 0.93 }', 'below: { balanced: 0.5 }'));
  const validation = digitsOf(loadDigits().validation).map(labelledDigit);
  const args = ['tune', 'digits', '--policy', policy, '--risk', '0.005', '--write'];
  const printed = await sluice(validation, ...args, '--calibration', 'none');
  assert.match(printed, /^-\s+below: \{ balanced: 0\.5 \}\n\+\s+below: \{ balanced: 0\.93 \}$/m);
  assert.equal(readFileSync(policy, 'utf8'), committed);
  const { tiers } = JSON.parse(await sluice(validation, ...args, '--calibration', 'platt', '--json')) as {
    tiers: Tuned[];
  };
  assert.deepEqual(
    [tiers[0]?.pairs, tiers[0]?.allowed, tiers[0]?.chosen?.threshold, tiers[0]?.digests.length],
    [1000, 1, 0.93, 1],
  );
  assert.match(readFileSync(policy, 'utf8'), /calibration: \{ balanced: \[\{ sha256: [0-9a-f]{64}, platt: \{ a: /);
});
