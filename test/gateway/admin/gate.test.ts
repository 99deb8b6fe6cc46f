// What every door of the admin listener checks, those that are added later too.
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import { type AdminDeps, addAdminRoutes } from '../../../gateway/admin/api.ts';
import type { SluiceError } from '../../../gateway/errors.ts';
import { addPassthrough } from '../../../gateway/forward/passthrough.ts';
import { answering, fakeServer } from '../../support/fake-server.ts';
import { gateway, policyOf } from '../../support/gateway.ts';
import { undo } from '../../support/undo.ts';

type Headers = Readonly<Record<string, string>>;

/** The status of an answer to a request with any Host, which `fetch` does not let one choose. */
function statusOf(base: string, path: string, headers: Headers, method = 'GET'): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${base}${path}`, { method, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject).end(method === 'POST' ? '{"reason":"a test"}' : undefined);
  });
}

const READS = [
  '/api/status',
  '/api/audit',
  '/api/comparisons',
  '/api/comparisons/summary',
  '/api/comparisons/kept?id=x',
  '/api/experiments',
  '/api/calibration',
  '/fleet/s0/v2/models/stats',
];
const EDITS = ['/api/models/m/rollout/rollback', '/api/models/m/shadows/x/pause', '/api/alerts'];
const REBOUND = { host: 'evil.example' };

async function admin(t: TestContext, adminToken?: string) {
  const server = await fakeServer(t, answering({}));
  const { adminUrl } = await gateway(t, policyOf([server.url]), { adminToken });
  return { adminUrl, server };
}

test('without a token no read, edit, page or metric is for another Host, to which a web page can make a name lead', async (t) => {
  const { adminUrl, server } = await admin(t);
  for (const path of [...READS, '/console/', '/', '/metrics'])
    assert.equal(await statusOf(adminUrl, path, REBOUND), 403, path);
  for (const path of EDITS)
    assert.equal(await statusOf(adminUrl, path, { ...REBOUND, 'content-type': 'application/json' }, 'POST'), 403, path);
  assert.equal(server.seen.length, 0);
  for (const path of ['/livez', '/readyz']) assert.equal(await statusOf(adminUrl, path, REBOUND), 200, path);
  for (const host of ['localhost:8081', '127.0.0.1', '[::1]:80'])
    for (const path of [...READS, '/metrics']) assert.equal(await statusOf(adminUrl, path, { host }), 200, path + host);
});

test('with a token every read and edit wants it, whatever the Host; probes, metrics and the page do not', async (t) => {
  const { adminUrl, server } = await admin(t, 'secret');
  for (const path of READS) assert.equal(await statusOf(adminUrl, path, {}), 401, path);
  for (const path of EDITS)
    assert.equal(await statusOf(adminUrl, path, { 'content-type': 'application/json' }, 'POST'), 401, path);
  assert.equal(server.seen.length, 0);
  for (const path of ['/livez', '/readyz', '/metrics', '/console/'])
    assert.equal(await statusOf(adminUrl, path, { host: 'gateway.internal:8081' }), 200, path);
  const headers = { host: 'gateway.internal:8081', authorization: 'Bearer secret' };
  for (const path of READS) assert.equal(await statusOf(adminUrl, path, headers), 200, path);
});

test('a web page of another origin reads nothing and asks nothing of a server; a link that a person follows is answered', async (t) => {
  const { adminUrl, server } = await admin(t);
  const others: readonly Headers[] = [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' },
  ];
  for (const headers of others)
    for (const path of READS) assert.equal(await statusOf(adminUrl, path, headers), 403, path);
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
  for (const path of EDITS)
    assert.equal(await statusOf(adminUrl, path, { ...link, 'content-type': 'application/json' }, 'POST'), 403, path);
  assert.equal(server.seen.length, 0);
  assert.equal(await statusOf(adminUrl, '/api/status', link), 200);
  assert.equal(await statusOf(adminUrl, '/api/status', { 'sec-fetch-site': 'same-origin' }), 200);
});

test('what a server of the fleet answers does not run in a browser as the console does', async (t) => {
  const server = await fakeServer(t, (_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.setHeader('content-security-policy', 'default-src *');
    response.end('<script>alert(1)</script>');
  });
  const { adminUrl } = await gateway(t, policyOf([server.url]));
  for (const path of ['/fleet/s0/', '/api/status', '/metrics', '/fleet/none/']) {
    const { headers } = await fetch(adminUrl + path);
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'.*sandbox/, path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(headers.get('cache-control'), 'no-store', path);
  }
  const page = await fetch(`${adminUrl}/console/`);
  assert.match(page.headers.get('content-security-policy') ?? '', /script-src 'self'/);
});

test('a route that nobody thought of guarding is guarded, and those that are open are these', async (t) => {
  const app = Fastify();
  undo(t, () => app.close());
  const open: string[] = [];
  app.addHook('onRoute', ({ url, method, config }) => {
    const as = (config as { open?: string } | undefined)?.open;
    if (as !== undefined && method !== 'HEAD' && !url.startsWith('/console/')) open.push(`${as} ${method} ${url}`);
  });
  app.setErrorHandler((error: SluiceError, _request, reply) => reply.code(error.status).send({}));
  addAdminRoutes(app, {} as AdminDeps);
  addPassthrough(app, { fleet: () => new Map() });
  app.get('/api/new', () => 'data');
  app.post('/api/new', () => 'done');
  assert.deepEqual(open, [
    'page GET /',
    'page GET /console',
    'probe GET /livez',
    'probe GET /readyz',
    'metrics GET /metrics',
  ]);
  const statusFor = async (method: 'GET' | 'POST', headers: Headers) =>
    (await app.inject({ method, url: '/api/new', headers: { host: 'localhost', ...headers } })).statusCode;
  assert.equal(await statusFor('GET', {}), 200);
  assert.equal(await statusFor('GET', REBOUND), 403);
  assert.equal(await statusFor('POST', {}), 415);
  assert.equal(await statusFor('POST', { 'content-type': 'application/json', ...REBOUND }), 403);
});
