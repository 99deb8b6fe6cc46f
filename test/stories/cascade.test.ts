// A cascade with real models and everything that is held out, through a real gateway: what it saves, and what it costs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digitInput, ladderText, mailInput, measureLadder } from '../../gateway/cli/demo-tiers.ts';
import { LocalSetup } from '../../gateway/cli/local-setup.ts';
import { digitsOf } from '../../model-server/training/digits-data.ts';
import { readHeldOut } from '../../model-server/training/held-out.ts';
import { readMails } from '../../model-server/training/held-out-mails.ts';
import { undo } from '../support/undo.ts';

test('the cascades answer as well as their last tiers, for less than 40 % of the inference time', async (t) => {
  const setup = new LocalSetup({
    policyFile: 'config/examples/cascade.yaml',
    models: 'config/models',
    logLevel: 'error',
    ports: 'free',
    gatewayArgs: ['--port', '0', '--admin-port', '0'],
  });
  undo(t, () => setup.stop());
  await setup.start();
  const at = {
    url: setup.gateway?.url ?? '',
    serverUrls: setup.servers.map(({ url }) => url),
    concurrency: 2,
  };
  for (const { name, inputs } of [
    { name: 'digits', inputs: digitsOf(readHeldOut('config/data')).map(digitInput) },
    { name: 'spam', inputs: readMails('config/data/mails-held-out.jsonl.gz').map(mailInput) },
  ]) {
    const result = await measureLadder({ ...at, name, models: [`${name}-balanced`, `${name}-accurate`], inputs });
    t.diagnostic(ladderText([result]).split('\n')[1] ?? '');
    assert.ok(result.inputs >= (name === 'spam' ? 1000 : 2000));
    assert.ok(result.cost <= 0.4, `${name} costs ${result.cost} of always the last tier`);
    assert.ok(Math.abs(result.difference.is) <= 0.005, `${name}: ${result.difference.is}`);
  }
  const status = (await (await fetch(`${setup.gateway?.adminUrl}/api/status`)).json()) as {
    models: Record<string, { escalation?: { isAlarmed: boolean; degraded: object; requests: number } }>;
  };
  assert.deepEqual(
    [status.models.digits?.escalation?.requests, status.models.digits?.escalation?.isAlarmed],
    [2000, false],
  );
});
