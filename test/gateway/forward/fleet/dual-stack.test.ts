// A name with addresses of both families, and a server that listens on one of them.
import assert from 'node:assert/strict';
import dns from 'node:dns';
import { type TestContext, test } from 'node:test';
import { answering, fakeServer } from '../../../support/fake-server.ts';
import { freePorts } from '../../../support/free-ports.ts';
import { gateway, infer, policyOf } from '../../../support/gateway.ts';
import { until } from '../../../support/until.ts';

/** The name models.test leads to these addresses, whoever asks. No resolver of this machine tells of such a name. */
function resolving(t: TestContext, addresses: readonly string[]): void {
  const lookup = dns.lookup as (...args: unknown[]) => void;
  t.mock.method(dns, 'lookup', (name: string, ...rest: unknown[]) => {
    const done = rest.at(-1) as (...found: unknown[]) => void;
    if (name !== 'models.test') return lookup(name, ...rest);
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    return (rest[0] as { all?: boolean }).all ? done(null, found) : done(null, found[0]?.address, found[0]?.family);
  });
}

/** A server on one address that counts what it is asked for, a shadow and metadata among it. */
async function serverOn(t: TestContext, host: string, port: number) {
  const looks: string[] = [];
  const server = await fakeServer(
    t,
    answering({ outputs: [] }),
    (request, response) => {
      looks.push(request.url ?? '');
      response.end('{"parameters":{"sha256":"00"}}');
    },
    { host, port },
  );
  return { ...server, looks };
}

const SHADOWED = (port: number) => `apiVersion: sluice/v1
fleet: { s: { url: "http://models.test:${port}" } }
models:
  m: { timeout: 1s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1, shadow: [{ version: v2, sample: 100% }] }
`;

for (const host of ['::1', '127.0.0.1'])
  test(`callers, copies, probes and looks at model files reach a server that listens on ${host} alone`, async (t) => {
    const [port = 0] = await freePorts(1);
    const { seen, looks } = await serverOn(t, host, port);
    resolving(t, ['127.0.0.1', '::1']);
    const { url, adminUrl } = await gateway(t, SHADOWED(port));
    for (let i = 0; i < 20; i++) assert.equal((await infer(url)).status, 200);
    await until(() => seen.length >= 40, 'a copy of each request');
    assert.equal(seen.filter((request) => request.headers['x-sluice-shadow'] === undefined).length, 20);
    await until(() => looks.some((path) => path.endsWith('/ready')), 'a readiness probe');
    await until(() => looks.some((path) => path.endsWith('/versions/v1') || path === '/v2/models/m'), 'a look');
    assert.equal((await fetch(`${adminUrl}/fleet/s/v2/models/m`)).status, 200);
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
    assert.match(metrics, /^sluice_version_ready\{model="m",version="v1",role="baseline"\} 1$/m);
    const { fleet } = (await (await fetch(`${adminUrl}/api/status`)).json()) as { fleet: object };
    assert.deepEqual(Object.keys(fleet), ['s@127.0.0.1 or ::1']);
  });

test('a server that moves to the other address is found there by the next connection', async (t) => {
  const [port = 0] = await freePorts(1);
  resolving(t, ['127.0.0.1', '::1']);
  const first = await serverOn(t, '127.0.0.1', port);
  const { url } = await gateway(t, policyOf([`http://models.test:${port}`]));
  assert.equal((await infer(url)).status, 200);
  await first.close();
  await serverOn(t, '::1', port);
  assert.equal((await infer(url)).status, 200);
});

test('of a name with several addresses of each family the one family is taken that takes connections', async (t) => {
  const [port = 0] = await freePorts(1);
  const { seen } = await serverOn(t, '::1', port);
  resolving(t, ['127.0.0.1', '127.0.0.2', '::1']);
  const { url, adminUrl } = await gateway(t, policyOf([`http://models.test:${port}`]));
  for (let i = 0; i < 10; i++) assert.equal((await infer(url)).status, 200);
  assert.equal(seen.length, 10);
  const { fleet } = (await (await fetch(`${adminUrl}/api/status`)).json()) as { fleet: object };
  assert.deepEqual(Object.keys(fleet), ['s0@::1']);
});

test('a server reached by both families counts once, and of several each once', async (t) => {
  const [port = 0] = await freePorts(1);
  for (const host of ['127.0.0.1', '127.0.0.2', '::1']) await serverOn(t, host, port);
  resolving(t, ['::1', '127.0.0.2', '127.0.0.1']);
  const { adminUrl } = await gateway(t, policyOf([`http://models.test:${port}`]));
  const { fleet } = (await (await fetch(`${adminUrl}/api/status`)).json()) as { fleet: object };
  assert.deepEqual(Object.keys(fleet).sort(), ['s0@127.0.0.1', 's0@127.0.0.2']);
});

test('when no address answers, callers hear of it within the time for a connection', async (t) => {
  const [port = 0] = await freePorts(1);
  resolving(t, ['127.0.0.1', '::1']);
  const { url } = await gateway(t, policyOf([`http://models.test:${port}`], 'timeout: 10s'));
  const start = performance.now();
  const { status } = await infer(url);
  assert.ok(status === 502 || status === 503, String(status));
  assert.ok(performance.now() - start < 2500, `${performance.now() - start} ms`);
});

test('a name with one address that is never a server is not dialled at all, whatever its other address', async (t) => {
  const [port = 0] = await freePorts(1);
  const { seen, looks } = await serverOn(t, '127.0.0.1', port);
  resolving(t, ['127.0.0.1', 'fd00:ec2::254']);
  const { url } = await gateway(t, policyOf([`http://models.test:${port}`]));
  assert.equal((await infer(url)).status, 502);
  assert.deepEqual([seen.length, looks.length], [0, 0]);
});
