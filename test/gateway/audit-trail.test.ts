// The audit trail of a gateway whose disk fails for long.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { statusText } from '../../gateway/cli/ask/status.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { folderOf } from '../support/folder.ts';
import { gatewayProcess } from '../support/gateway-process.ts';

test('what a gateway could not keep of its audit trail is counted in the metrics, and reported by the status', async (t) => {
  const { url } = await fakeServer(t, answering({}));
  const data = folderOf(t);
  const { adminUrl } = await gatewayProcess(
    t,
    `apiVersion: sluice/v1
fleet: { s: { url: "${url}" } }
models: { m: { timeout: 1s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1, shadow: [{ version: v2, sample: 1% }] } }
`,
    ['--data', data],
  );
  const dropped = async () =>
    Number(/^sluice_audit_entries_dropped_total (\d+)/m.exec(await (await fetch(`${adminUrl}/metrics`)).text())?.[1]);
  const said = async () => statusText((await (await fetch(`${adminUrl}/api/status`)).json()) as never);
  assert.equal(await dropped(), 0);
  assert.doesNotMatch(await said(), /audit/);

  mkdirSync(join(data, 'audit.jsonl')); // so that every write fails
  const headers = { 'content-type': 'application/json' };
  for (let i = 0; i < 1002; i++) {
    const order = `${adminUrl}/api/models/m/shadows/v2/${i % 2 === 0 ? 'pause' : 'resume'}`;
    await (await fetch(order, { method: 'POST', headers, body: '{"reason":"a test"}' })).text();
  }
  assert.equal(await dropped(), 2);
  assert.match(
    await said(),
    /^! the store: 2 entries are missing in the audit trail on this gateway's disk, which failed for too long$/m,
  );
});
