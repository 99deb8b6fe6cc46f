import assert from 'node:assert/strict';
import dns from 'node:dns';
import { type TestContext, test } from 'node:test';
import { Fleet } from '../../../../gateway/forward/fleet/fleet.ts';
import { parsePolicy } from '../../../../gateway/policy/load/load.ts';
import { isForbiddenAddress } from '../../../../gateway/policy/url.ts';
import { answering, fakeServer } from '../../../support/fake-server.ts';
import { gateway, infer, policyOf } from '../../../support/gateway.ts';
import { undo } from '../../../support/undo.ts';

test('link-local, metadata, multicast and unspecified addresses are forbidden, in every notation of IPv6', () => {
  for (const address of [
    '169.254.169.254',
    '169.254.0.1',
    '100.100.100.200',
    '0.0.0.0',
    '224.0.0.1',
    'fe80::1',
    'fd00:ec2::254',
    '::',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '168.63.129.16',
    '::ffff:168.63.129.16',
    '64:ff9b::a83f:8110',
    '192.0.0.192',
    '2002:c000:c0::',
    '::6464:64c8',
    'fd20:ce::254',
  ])
    assert.equal(isForbiddenAddress(address), true, address);
  for (const address of [
    '127.0.0.1',
    '10.0.0.1',
    '192.168.1.1',
    '::1',
    '192.0.0.191',
    '168.63.129.17',
    'fd00::1',
    '2001:db8::1',
    '::ffff:127.0.0.1',
  ])
    assert.equal(isForbiddenAddress(address), false, address);
});

test('a name that leads to a metadata service after the check is never connected to', async (t: TestContext) => {
  const { url: server } = await fakeServer(t, answering({}));
  const { port } = new URL(server);
  const { url } = await gateway(t, policyOf([`http://models.test:${port}`]));
  // No resolver of this machine gives such an answer, so the system call itself is what is replaced.
  t.mock.method(dns, 'lookup', (_name: string, options: { all?: boolean }, done: (...found: unknown[]) => void) =>
    options.all ? done(null, [{ address: '169.254.169.254', family: 4 }]) : done(null, '169.254.169.254', 4),
  );
  const response = await infer(url);
  assert.equal(response.status, 502);
  assert.doesNotMatch(await response.text(), /169\.254/);
});

test('a server whose name leads nowhere, or to a forbidden address, is reported at every look and stays where it was', async (t) => {
  const policy = parsePolicy(policyOf(['http://nowhere.invalid:1', 'http://metadata.test:1']), 'p');
  const failures: string[] = [];
  t.mock.method(
    dns,
    'lookup',
    (host: string, _options: object, done: (error: Error | null, found: object[]) => void) =>
      host === 'nowhere.invalid'
        ? done(new Error(`ENOTFOUND ${host}`), [])
        : done(null, [{ address: '169.254.169.254', family: 4 }]),
  );
  const fleet = new Fleet(policy, undefined, ({ message }) => failures.push(message));
  undo(t, () => fleet.close());
  await fleet.lookUp();
  assert.match(failures.find((text) => text.includes('s0')) ?? '', /server s0 stays where it was: ENOTFOUND/);
  assert.match(
    failures.find((text) => text.includes('s1')) ?? '',
    /server s1 stays where it was: .*169\.254\.169\.254/,
  );
});
