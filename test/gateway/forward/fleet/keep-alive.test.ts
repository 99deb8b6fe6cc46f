// Real servers that close idle connections, and requests that arrive just then: what may not be sent twice must not be lost.
// A server that keeps them for 5 s is tried by keep-alive.soak.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Child } from '../../../../gateway/cli/run/child.ts';
import { safeMsOf } from '../../../../gateway/forward/fleet/idle-time.ts';
import { answering, fakeServer } from '../../../support/fake-server.ts';
import { gateway, policyOf } from '../../../support/gateway.ts';
import { undo } from '../../../support/undo.ts';
import { losesNone } from '../closing-server.ts';

for (const [idleMs, says, waves] of [
  [1000, false, 14],
  [1000, true, 8],
] as const)
  test(`no request is lost to a server that closes after ${idleMs} ms of idleness and ${says ? 'says so' : 'does not say so'}`, (t) =>
    losesNone(t, { idleMs, says, waves }));

test('an idle connection is used for less time than the server keeps it, and for half a second while that is not known', () => {
  assert.deepEqual(
    [undefined, 300, 600, 1000, 2000, 5000, 6000].map((idle) => safeMsOf(idle)),
    [500, -200, 100, 500, 1500, 4000, 4000],
  );
});

test('what stands in front closes first: callers may let a connection to the gateway or a model server idle for over 60 s', async (t) => {
  const { url: server } = await fakeServer(t, answering({ outputs: [] }));
  const { url, adminUrl } = await gateway(t, policyOf([server]));
  const child = new Child(['model-server', '--port', '0', '--log-level', 'error']);
  undo(t, () => child.stop());
  const { url: modelServer } = await child.listening;
  for (const [at, path] of [
    [url, '/v2/health/live'],
    [adminUrl, '/livez'],
    [modelServer, '/v2/health/live'],
  ]) {
    const { headers } = await fetch(`${at}${path}`);
    const seconds = Number(/^timeout=(\d+)$/.exec(headers.get('keep-alive') ?? '')?.[1]);
    assert.ok(seconds > 60, `${at}: ${headers.get('keep-alive')}`); // of nginx (keepalive_timeout) and of AWS' balancers
  }
});
