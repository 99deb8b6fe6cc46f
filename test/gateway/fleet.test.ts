// Which server of the fleet gets a request: classes, weights, caps, names, certificates, readiness, capability.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import dns from 'node:dns';
import { readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { folderOf } from '../support/folder.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

/** The text of `policyOf` with more in the braces of one server. */
function withServer(policy: string, name: string, more: string): string {
  return policy.replace(new RegExp(`(  ${name}: \\{ url: "[^"]*")`), `$1, ${more}`);
}

const VERSION = (more: string) => (policy: string) =>
  policy.replace('{ v1: { servers: [s0, s1] } }', `{ v1: { servers: [s0, s1], ${more} } }`);

test('the preferred class answers, the other one when it is full, and when it is gone', async (t) => {
  const cpu = await fakeServer(t, answering({ from: 'cpu' }));
  let isStuck = false;
  const gpu = await fakeServer(t, (request, response) => {
    if (!isStuck) answering({ from: 'gpu' })(request, response);
  });
  const policy = VERSION('prefer: gpu')(withServer(policyOf([cpu.url, gpu.url]), 's1', 'class: gpu, max_in_flight: 1'));
  const { url } = await gateway(t, policy);
  const from = async () => ((await (await infer(url)).json()) as { from: string }).from;
  for (let i = 0; i < 10; i++) assert.equal(await from(), 'gpu');
  isStuck = true;
  const stuck = infer(url);
  await until(() => gpu.seen.length === 11, 'the GPU is full');
  for (let i = 0; i < 10; i++) assert.equal(await from(), 'cpu');
  assert.equal((await stuck).status, 504);
});

test('a server of weight 3 gets about three times the load', async (t) => {
  const slowly: RequestListener = (request, response) => {
    request.resume();
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'), 20);
  };
  const [small, large] = [await fakeServer(t, slowly), await fakeServer(t, slowly)];
  const { url } = await gateway(t, withServer(policyOf([small.url, large.url]), 's1', 'weight: 3'));
  const caller = async () => {
    for (let i = 0; i < 15; i++) await infer(url);
  };
  await Promise.all(Array.from({ length: 32 }, caller));
  const ratio = large.seen.length / small.seen.length;
  assert.ok(ratio > 2 && ratio < 4.5, `${large.seen.length} and ${small.seen.length}`);
});

test('beyond the cap of a version callers get 429, whatever room its servers have', async (t) => {
  const { url: server, seen } = await fakeServer(t, silent);
  const policy = policyOf([server], 'timeout: 500ms').replace(
    '{ servers: [s0] }',
    '{ servers: [s0], max_in_flight: 2 }',
  );
  const { url } = await gateway(t, policy);
  const held = [infer(url), infer(url)];
  await until(() => seen.length === 2, 'two at the server');
  const third = await infer(url);
  assert.equal(third.status, 429);
  assert.equal(third.headers.get('retry-after'), '1');
  for (const response of await Promise.all(held)) assert.equal(response.status, 504);
  const after = infer(url);
  await until(() => seen.length === 3, 'there is room again');
  assert.equal((await after).status, 504);
});

test('a name that leads to several addresses is a server at each, looked up again, and the old set stays on error', async (t) => {
  // Two servers at one port of two loopback addresses, as the pods of a headless service are.
  const a = await fakeServer(t, answering({ from: 'a' }));
  const { port } = new URL(a.url);
  const b = await fakeServer(t, answering({ from: 'b' }), undefined, { host: '127.0.0.2', port: Number(port) });
  let addresses: readonly string[] | Error = ['127.0.0.2', '127.0.0.1', '127.0.0.1'];
  // No resolver of this machine tells of a fleet that changes, so the system call itself is what is replaced.
  const lookup = dns.lookup as (...args: unknown[]) => void;
  t.mock.method(dns, 'lookup', (name: string, ...rest: unknown[]) => {
    const done = rest.at(-1) as (...found: unknown[]) => void;
    if (name !== 'models.test') return lookup(name, ...rest);
    if (addresses instanceof Error) return done(addresses);
    const found = addresses.map((address) => ({ address, family: 4 }));
    return (rest[0] as { all?: boolean }).all ? done(null, found) : done(null, found[0]?.address, 4);
  });
  const { url, adminUrl } = await gateway(t, policyOf([`http://models.test:${port}`]));
  const seenFrom = async (times: number) => {
    const answers = await Promise.all(Array.from({ length: times }, async () => (await infer(url)).json()));
    return [...new Set(answers.map((answer) => (answer as { from: string }).from))].sort();
  };
  const fleet = async () =>
    Object.keys(((await (await fetch(`${adminUrl}/api/status`)).json()) as { fleet: object }).fleet).sort();
  assert.deepEqual(await fleet(), ['s0@127.0.0.1', 's0@127.0.0.2']);
  assert.deepEqual(await seenFrom(40), ['a', 'b']);
  addresses = ['127.0.0.2'];
  await until(async () => (await fleet()).length === 1, 'the name is looked up again', 15_000);
  assert.deepEqual(await seenFrom(20), ['b']);
  addresses = new Error('SERVFAIL');
  await sleep(5500);
  assert.deepEqual(await seenFrom(20), ['b']);
  assert.ok(b.seen.length > 0);
});

/** A self-signed certificate for `localhost` and its key, made by openssl. */
function certificate(t: TestContext): { folder: string; cert: string; key: string } {
  const folder = folderOf(t, 'tls');
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  execFileSync(
    'openssl',
    [...args, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
    { stdio: 'ignore' },
  );
  return { folder, cert, key };
}

test('F20: a certificate is verified: unknown, for another name, or no TLS at all is 502; a trusted one is 200', async (t) => {
  const { cert, key } = certificate(t);
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, answering({ safe: true }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const plain = await fakeServer(t, answering({}));
  const status = async (url: string, more?: string) => {
    const policy = policyOf([url]);
    const { url: at } = await gateway(t, more === undefined ? policy : withServer(policy, 's0', more));
    const response = await infer(at);
    assert.doesNotMatch(await response.text(), /127\.0\.0\.1|certificate/);
    return response.status;
  };
  assert.equal(await status(`https://localhost:${port}`), 502, 'self-signed and unknown');
  assert.equal(await status(`https://localhost:${port}`, `tls: { ca: "${cert}" }`), 200);
  assert.equal(await status(`https://127.0.0.1:${port}`, `tls: { ca: "${cert}" }`), 502, 'for another name');
  assert.equal(await status(`https://127.0.0.1:${port}`, `tls: { ca: "${cert}", server_name: localhost }`), 200);
  assert.equal(await status(plain.url.replace('http:', 'https:')), 502, 'no TLS at all');
  await assert.rejects(
    status(`https://localhost:${port}`, 'tls: { ca: /nowhere/ca.pem }'),
    /:3:\d+ fleet\.s0\.tls\.ca: \/nowhere\/ca\.pem: no such file/,
  );
  await assert.rejects(status(`https://localhost:${port}`, `tls: { ca: "${key}" }`), /ca holds no PEM certificate/);
});

test('a renewed certificate is used without an edit and without a lost request, and a broken one keeps the old', async (t) => {
  const [first, second] = [certificate(t), certificate(t)];
  const options = (from: { cert: string; key: string }) => ({
    cert: readFileSync(from.cert),
    key: readFileSync(from.key),
  });
  const server = createTlsServer(options(first), answering({ safe: true }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    server.close();
    server.closeAllConnections();
  });
  // As Kubernetes mounts a secret: a link to a folder that is swapped for another one.
  const folder = folderOf(t, 'secret');
  const swap = (target: string) => {
    symlinkSync(target, join(folder, 'next'));
    renameSync(join(folder, 'next'), join(folder, 'data'));
  };
  swap(first.folder);
  const { port } = server.address() as AddressInfo;
  const policy = withServer(
    policyOf([`https://localhost:${port}`]),
    's0',
    `tls: { ca: "${join(folder, 'data', 'cert.pem')}" }`,
  );
  const { url, adminUrl } = await gateway(t, policy);
  const status = async () => {
    const response = await infer(url);
    await response.arrayBuffer();
    return response.status;
  };
  const mistake = async () => {
    const told = (await (await fetch(`${adminUrl}/api/status`)).json()) as { policy: { mistake?: string } };
    return told.policy.mistake;
  };
  assert.equal(await status(), 200);
  const broken = folderOf(t, 'broken');
  writeFileSync(join(broken, 'cert.pem'), 'no certificate');
  swap(broken);
  await until(async () => /ca holds no PEM certificate/.test((await mistake()) ?? ''), 'the mistake');
  assert.equal(await status(), 200, 'the old one goes on');
  swap(second.folder);
  await until(async () => (await mistake()) === undefined, 'the renewed one');
  server.setSecureContext(options(second));
  server.closeAllConnections();
  await until(async () => (await status()) === 200, 'an answer with the renewed one');
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 20 }, status))), new Set([200]));
});

/** Answers probes: this readiness and this description. */
function probe(isReady: () => boolean, signature: () => unknown): RequestListener {
  return ({ url = '' }: IncomingMessage, response) => {
    const isLook = url.endsWith('/ready');
    const status = isLook && !isReady() ? 503 : 200;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isLook ? { ready: isReady() } : signature()));
  };
}

const SIGNATURE = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
};

test('a version that a server says is not ready there gets its requests elsewhere, and comes back when it is', async (t) => {
  let isReady = true;
  const a = await fakeServer(
    t,
    answering({}),
    probe(
      () => isReady,
      () => SIGNATURE,
    ),
  );
  const b = await fakeServer(
    t,
    answering({}),
    probe(
      () => true,
      () => SIGNATURE,
    ),
  );
  const { url } = await gateway(t, policyOf([a.url, b.url]));
  const reached = async (times: number) => {
    const before = a.seen.length;
    await Promise.all(Array.from({ length: times }, () => infer(url)));
    return a.seen.length - before;
  };
  assert.ok((await reached(20)) > 0);
  isReady = false;
  await until(async () => (await reached(20)) === 0, 'the loading server is left alone', 15_000);
  isReady = true;
  await until(async () => (await reached(20)) > 0, 'it is asked again', 15_000);
});

test('a server that says 503 to a request costs the caller nothing while another one has the version', async (t) => {
  const loading = await fakeServer(t, answering({ error: 'loading' }, 503));
  const good = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([loading.url, good.url]));
  const statuses: number[] = [];
  for (let i = 0; i < 60; i++) statuses.push((await infer(url)).status);
  assert.deepEqual(statuses, Array(60).fill(200));
  assert.ok(loading.seen.length < 12, `${loading.seen.length} requests went to the loading server`);
});

test('a candidate whose inputs or outputs differ gets no traffic, the reason is told, and it is admitted when they fit', async (t) => {
  let candidate: unknown = { ...SIGNATURE, outputs: [{ name: 'z', datatype: 'FP32', shape: [-1, 2] }] };
  const a = await fakeServer(
    t,
    answering({ from: 'v1' }),
    probe(
      () => true,
      () => SIGNATURE,
    ),
  );
  const b = await fakeServer(
    t,
    answering({ from: 'v2' }),
    probe(
      () => true,
      () => candidate,
    ),
  );
  const policy = `${policyOf([a.url, b.url]).replace('{ v1: { servers: [s0, s1] } }', '{ v1: { servers: [s0] }, v2: { servers: [s1] } }')}    pins: any\n    rollout: { id: r, candidate: v2, unit: header x-user, steps: [100%] }\n`;
  const { url, adminUrl } = await gateway(t, policy);
  const ask = (headers = {}) => infer(url, { headers: { 'x-user': 'ada', ...headers } });
  const response = await ask();
  assert.deepEqual(await response.json(), { from: 'v1' });
  assert.equal(response.headers.get('x-sluice-why'), 'baseline', 'its rollout has not started');
  const status = async () =>
    ((await (await fetch(`${adminUrl}/api/status`)).json()) as { models: { m: { rollouts: { withheld?: string }[] } } })
      .models.m.rollouts[0]?.withheld;
  assert.equal(await status(), 'it has no output "y"');
  assert.deepEqual(
    await (await ask({ 'x-sluice-version': 'v2' })).json(),
    { from: 'v2' },
    'a pin is somebody who knows',
  );
  candidate = SIGNATURE;
  await until(async () => ((await (await ask()).json()) as { from: string }).from === 'v2', 'it is admitted');
  assert.equal(await status(), undefined);
});

test('with hedge_after a second server is asked when the first is slow, and the first answer wins', async (t) => {
  let isSlow = false;
  const sometimes: RequestListener = (request, response) => {
    request.resume();
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'), isSlow ? 800 : 1);
  };
  const slow = await fakeServer(t, sometimes);
  const fast = await fakeServer(t, answering({}));
  const { url, adminUrl } = await gateway(
    t,
    withServer(
      policyOf([slow.url, fast.url], 'timeout: 2s\n    hedge_after: 50ms\n    retry_budget: 100%'),
      's0',
      'weight: 100',
    ),
  );
  for (let i = 0; i < 20; i++) await infer(url);
  isSlow = true;
  const before = slow.seen.length;
  let worst = 0;
  for (let i = 0; i < 40; i++) {
    const start = performance.now();
    assert.equal((await infer(url)).status, 200);
    worst = Math.max(worst, performance.now() - start);
  }
  assert.ok(slow.seen.length > before, 'the slow one was asked first at least once');
  assert.ok(worst < 700, `the slowest took ${worst} ms`);
  await until(() => slow.seen.every(({ socket }, i) => i < before || socket.destroyed), 'what was outrun is cancelled');
  assert.match(
    await (await fetch(`${adminUrl}/metrics`)).text(),
    /^sluice_repeated_attempts_total\{model="m",version="v1"\} [1-9]/m,
  );
});
