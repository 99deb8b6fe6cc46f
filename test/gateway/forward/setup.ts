// A version in a fleet of its own, without a gateway around it.
import type { RequestListener } from 'node:http';
import type { TestContext } from 'node:test';
import type { Facts } from '../../../gateway/flow.ts';
import { Fleet } from '../../../gateway/forward/fleet/fleet.ts';
import { send } from '../../../gateway/forward/send.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { ServedModel, Version } from '../../../gateway/policy/policy.ts';
import { answering, type FakeServer, fakeServer } from '../../support/fake-server.ts';
import { undo } from '../../support/undo.ts';

/** A prediction as callers send it, with credentials. */
export const FACTS: Facts = {
  id: 'r-1',
  model: 'm',
  call: 'infer',
  pin: undefined,
  headers: {},
  rawHeaders: [
    'Content-Type',
    'application/json',
    'Authorization',
    'Bearer secret',
    'Cookie',
    'a=1',
    'X-Tenant',
    'acme',
  ],
  body: Buffer.from('{"inputs":[]}'),
};

/** What differs from a model with a timeout of 300 ms at servers that the policy says no more of. */
type More = { readonly ofModel?: string; readonly ofServers?: string };

/** Model `m`: v1 on a server of its own, and v2 on servers c0, c1, ..., one for each script; a text is the URL of one. */
export async function placed(
  t: TestContext,
  scripts: readonly (RequestListener | string)[],
  { ofModel = '', ofServers = '' }: More = {},
) {
  const baseline = await fakeServer(t, answering({}));
  const servers: FakeServer[] = [];
  for (const script of scripts)
    servers.push(
      typeof script === 'string' ? { close: async () => {}, url: script, seen: [] } : await fakeServer(t, script),
    );
  const named = servers.map(({ url }, i) => `  c${i}: { url: "${url}" ${ofServers} }`).join('\n');
  const policy = parsePolicy(
    `apiVersion: sluice/v1
fleet:
  s: { url: "${baseline.url}" }
${named}
models:
  m:
    timeout: 300ms
    versions: { v1: { servers: [s] }, v2: { servers: [${servers.map((_, i) => `c${i}`).join(', ')}] } }
    baseline: v1
    ${ofModel}
`,
    'policy.yaml',
  );
  const fleet = new Fleet(policy);
  undo(t, () => fleet.destroy());
  const { versions } = policy.models.get('m') as ServedModel;
  const [v1, v2] = [versions.get('v1'), versions.get('v2')] as [Version, Version];
  const placement = fleet.placementOf(v2);
  /** Asks v2. */
  const ask = () => send(placement, '/v2/models/m/infer', FACTS, () => {});
  return { servers, baseline, fleet, v1, v2, placement, ask };
}
