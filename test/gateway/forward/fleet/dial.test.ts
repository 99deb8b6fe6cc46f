// Where the gateway connects to, whichever part of it does.
import assert from 'node:assert/strict';
import dns from 'node:dns';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import { parseOptions } from '../../../../gateway/cli/options.ts';
import { agentFor, poster } from '../../../../gateway/forward/fleet/dial.ts';
import { GATEWAY_COMMAND_OPTIONS } from '../../../../gateway/settings.ts';
import { answering, fakeServer } from '../../../support/fake-server.ts';
import { gateway, infer, policyOf } from '../../../support/gateway.ts';
import { undo } from '../../../support/undo.ts';

test('a look at a server goes where the data path goes, and not where that refuses to', async (t) => {
  const server = await fakeServer(t, answering({ from: 'inside' }));
  const { port } = new URL(server.url);
  let address = '127.0.0.1';
  // No resolver of this machine gives such answers, so the system call itself is what is replaced.
  const lookup = dns.lookup as (...args: unknown[]) => void;
  t.mock.method(dns, 'lookup', (name: string, ...rest: unknown[]) => {
    if (name !== 'models.test') return lookup(name, ...rest);
    const done = rest.at(-1) as (...found: unknown[]) => void;
    return (rest[0] as { all?: boolean }).all ? done(null, [{ address, family: 4 }]) : done(null, address, 4);
  });
  const first = await gateway(t, policyOf([`http://models.test:${port}`]));
  assert.equal((await fetch(`${first.adminUrl}/fleet/s0/v2`)).status, 200);
  for (address of ['169.254.169.254', '168.63.129.16', '192.0.0.192', '0.0.0.0']) {
    const { url, adminUrl } = await gateway(t, policyOf([`http://models.test:${port}`]));
    assert.equal((await infer(url)).status, 502, address);
    assert.equal((await fetch(`${adminUrl}/fleet/s0/v2`)).status, 502, address);
  }
  assert.equal(server.seen.length, 1);
});

test('a connection to an address or name that no policy may have is refused before it is made', async (t) => {
  const agent = agentFor({ connections: 1, withinMs: 300 });
  undo(t, () => agent.destroy());
  for (const host of ['169.254.169.254', '[::ffff:a9fe:a9fe]', '[fe80::1]', 'metadata.azure.internal', '168.63.129.16'])
    await assert.rejects(request(`http://${host}/latest/`, { dispatcher: agent }), /which is never a server/, host);
});

test('the webhook follows no redirect, and is refused where no server may be', async (t) => {
  let hits = 0;
  const hook = createServer((incoming, response) => {
    hits++;
    incoming.resume();
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    hook.close();
    hook.closeAllConnections();
  });
  const post = poster(1000);
  const { signal } = new AbortController();
  assert.equal(await post(`http://127.0.0.1:${(hook.address() as AddressInfo).port}/`, {}, signal), 307);
  assert.equal(hits, 1);
  await assert.rejects(post('http://169.254.169.254/', {}, signal), /never a server/);
  assert.throws(
    () => parseOptions(['--notify-url', 'http://metadata.azure.internal/x'], GATEWAY_COMMAND_OPTIONS, {}),
    /--notify-url: metadata.azure.internal is a link-local, metadata or multicast address/,
  );
});

test('nothing in the gateway opens a connection but by dial, and commands but to the gateway that they are given', () => {
  const dials =
    /(?<![#.\w])fetch\(|new (Pool|Agent|Client|BalancedPool|ProxyAgent)\(|\b(http|https|net|tls)\.(request|get|connect)\(|\bcreateConnection\(/;
  const files = readdirSync('gateway', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const dialling = files.filter((file) => dials.test(readFileSync(join('gateway', file), 'utf8')));
  assert.deepEqual(
    dialling.filter((file) => !/^(cli|admin\/console)\//.test(file)).sort(),
    ['forward/fleet/dial.ts', 'forward/fleet/idle-time.ts', 'forward/fleet/server.ts'], // a server's connections, whose `connect` is `dial`
  );
  const [server, idle] = ['server', 'idle-time'].map((name) =>
    readFileSync(`gateway/forward/fleet/${name}.ts`, 'utf8'),
  );
  assert.match(server ?? '', /const connect = dial\(/);
  assert.match(server ?? '', /connect: this\.#connect,/);
  assert.match(idle ?? '', /new Client\(origin, \{\s+connect,/);
});
