// Looking at one server of the fleet through the admin listener.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { gateway, policyOf } from '../support/gateway.ts';

test('a server is looked at by its name in the policy, without the credentials of the one who looks', async (t) => {
  const server = await fakeServer(t, (request, response) => {
    response.setHeader('set-cookie', 'of=theirs');
    answering({ url: request.url })(request, response);
  });
  const { adminUrl } = await gateway(t, policyOf([server.url]), { adminToken: 'secret' });
  const look = (path: string, headers: Record<string, string> = { authorization: 'Bearer secret', cookie: 'a=b' }) =>
    fetch(`${adminUrl}/fleet/${path}`, { headers });
  const answer = await look('s0/v2/models/stats?x=1');
  assert.deepEqual(await answer.json(), { url: '/v2/models/stats?x=1' });
  assert.equal(answer.headers.get('set-cookie'), null);
  const [seen] = server.seen;
  assert.deepEqual([seen?.headers.authorization, seen?.headers.cookie], [undefined, undefined]);
  assert.equal((await look('s0/metrics', {})).status, 401);
  const unknown = await look('nowhere/metrics');
  assert.equal(unknown.status, 404);
  assert.match(await unknown.text(), /no server \\"nowhere\\"; there are s0/);
  assert.equal((await fetch(`${adminUrl}/fleet/s0/v2/repository/models/m/unload`, { method: 'POST' })).status, 404);
  assert.equal(server.seen.length, 1);
});

test('a server that answers 503 is asked once, and one that is gone or silent is a 502', async (t) => {
  const [busy, mute] = [await fakeServer(t, answering({ error: 'loading' }, 503)), await fakeServer(t, silent)];
  const { adminUrl } = await gateway(t, policyOf([busy.url, 'http://127.0.0.1:9', mute.url]));
  assert.equal((await fetch(`${adminUrl}/fleet/s0/v2`)).status, 503);
  assert.equal(busy.seen.length, 1);
  assert.equal((await fetch(`${adminUrl}/fleet/s1/v2`)).status, 502);
  const start = performance.now();
  const late = await fetch(`${adminUrl}/fleet/s2/v2`);
  assert.ok([502, 504].includes(late.status), `${late.status}`);
  assert.match(await late.text(), /"error"/);
  assert.ok(performance.now() - start < 15_000);
});

test('an answer that is a redirect, or of which no one can tell that it is whole, is 502', async (t) => {
  const redirecting = await fakeServer(t, (_request, response) => {
    response.writeHead(302, { location: 'http://10.0.0.1/' }).end();
  });
  const heads = ['transfer-encoding: gzip', 'connection: close', 'transfer-encoding: gzip, chunked'];
  const urls = [redirecting.url];
  for (const head of heads)
    urls.push(
      (
        await fakeServer(t, ({ socket }) => {
          socket.end(`HTTP/1.1 200 OK\r\nx-inside: 1\r\n${head}\r\n\r\n3\r\nabc\r\n0\r\n\r\n`);
        })
      ).url,
    );
  const { adminUrl } = await gateway(t, policyOf(urls));
  for (const i of urls.keys()) {
    const answer = await fetch(`${adminUrl}/fleet/s${i}/v2`);
    const text = await answer.text();
    assert.equal(answer.status, 502, text);
    assert.match(text, i === 0 ? /redirected the request/ : /whose end is uncertain/);
    assert.equal(answer.headers.get('x-inside'), null);
  }
});
