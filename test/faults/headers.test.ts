// What crosses the gateway and what does not: rows A20 to A24 and A30 to A32 of the catalogue of faults.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTrustedProxies } from '../../gateway/receive/http/claims.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gateway, policyOf } from '../support/gateway.ts';
import { inferBytes, rawCaller } from '../support/raw-caller.ts';
import { exchangeRaw } from '../support/raw-exchange.ts';
import { until } from '../support/until.ts';

const ONE_ANSWER = { answers: 1, quietMs: 0, atMostMs: 10_000 };

/** Which headers of these a server gets, and the answer. */
async function crossing(
  url: string,
  seen: readonly { readonly headers: NodeJS.Dict<string | string[]> }[],
  headers: readonly string[],
) {
  const { text, statuses } = await exchangeRaw(url, inferBytes('{}', headers), ONE_ANSWER);
  return { received: seen.at(-1)?.headers ?? {}, text, statuses };
}

test('A20: the body is asked for once it will be read, and a refusal costs no upload', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([server.url]), { limits: { bodyLimit: 1000 } });
  const patient = await rawCaller(t, url);
  patient.send(inferBytes('', ['Expect: 100-continue'], 2));
  await until(() => patient.text() === 'HTTP/1.1 100 Continue\r\n\r\n', 'the body is asked for');
  patient.send('{}');
  await until(() => patient.statuses()[0] === 200, 'an answer');
  assert.equal(server.seen[0]?.headers.expect, undefined);

  for (const [bytes, status] of [
    [inferBytes('', ['Expect: 100-continue'], 1001), 413],
    [inferBytes('', ['Expect: 100-continue'], 2).replace('infer', 'nowhere'), 404],
    [inferBytes('', ['Expect: magic'], 2), 417],
  ] as const) {
    const refused = await rawCaller(t, url);
    refused.send(bytes);
    await until(() => refused.ended() === 'closed', `${status} and the end of the connection`);
    assert.match(refused.text(), new RegExp(`^HTTP/1.1 ${status} `), 'nobody is asked for a body that nobody reads');
  }
  assert.equal(server.seen.length, 1);
});

test('A22: a rule reads a header that Connection names, the server does not get it, and ours are never stripped', async (t) => {
  const server = await fakeServer(t, answering({}));
  const policy = policyOf([server.url]).replace('{ v1:', '{ v2: { servers: [s0] }, v1:');
  const sticky = `${policy}    rollout: { id: r, candidate: v2, unit: header x-user-id, without_unit: reject, steps: [50%] }\n`;
  const { url } = await gateway(t, sticky);
  for (const user of ['ada', 'alan', 'grace']) {
    const plain = await crossing(url, server.seen, [`x-user-id: ${user}`]);
    const named = await crossing(url, server.seen, [
      'Connection: X-User-Id, x-request-id, content-type, x-sluice-deadline-ms',
      `x-user-id: ${user}`,
      'content-type: application/json',
      'x-request-id: mine',
    ]);
    const version = (text: string) => /x-sluice-version: (v\d)/.exec(text)?.[1];
    assert.ok(version(plain.text));
    assert.equal(version(named.text), version(plain.text), user);
    assert.equal(plain.received['x-user-id'], user);
    assert.equal(named.received['x-user-id'], undefined);
    assert.equal(named.received['x-request-id'], 'mine');
  }
});

test('A23: headers of one hop stay on it', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([server.url]));
  const hop = {
    'keep-alive': 'timeout=77',
    te: 'trailers',
    trailer: 'x-checksum',
    'proxy-authorization': 'Basic eA==',
    'proxy-connection': 'close',
    'proxy-authenticate': 'Basic',
    upgrade: 'h2c',
    'x-hop': 'a',
  };
  const lines = Object.entries(hop).map(([name, value]) => `${name}: ${value}`);
  const { received, statuses } = await crossing(url, server.seen, ['Connection: x-hop', ...lines, 'x-kept: b']);
  assert.deepEqual(statuses, [200]);
  assert.equal(received['x-kept'], 'b');
  for (const [name, value] of Object.entries(hop)) assert.notEqual(received[name], value, name);
});

test("A24: a server's own hop ends at the gateway", async (t) => {
  const server = await fakeServer(t, (request, response) => {
    request.resume().on('end', () =>
      response
        .writeHead(200, {
          connection: 'close, x-hop',
          'keep-alive': 'timeout=77',
          'proxy-authenticate': 'Basic',
          'x-hop': 'a',
          'x-kept': 'b',
          'content-length': 2,
        })
        .end('{}'),
    );
  });
  const { url } = await gateway(t, policyOf([server.url]));
  const caller = await rawCaller(t, url);
  for (let i = 1; i <= 2; i++) {
    caller.send(inferBytes('{}'));
    await until(() => caller.statuses().length === i, 'an answer on the same connection');
  }
  assert.match(caller.text(), /x-kept: b\r\n/);
  assert.doesNotMatch(caller.text(), /x-hop|timeout=77|proxy-authenticate|connection: close/i);
});

test('A30: where a caller came from is not its own to say; only a trusted proxy is believed', async (t) => {
  const server = await fakeServer(t, answering({}));
  const claims = [
    'Forwarded: for=10.0.0.1;host=bank.test',
    'X-Forwarded-For: 10.0.0.1',
    'X-Forwarded-Host: bank.test',
    'X-Forwarded-Proto: https',
    'X-Forwarded-For: 10.0.0.2',
    'X-Real-IP: 10.0.0.1',
  ];
  const names = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];
  const cases = [
    ['', false],
    ['10.0.0.0/8, ::1', false],
    ['127.0.0.0/8', true],
    ['127.0.0.1,10.0.0.0/8', true],
  ] as const;
  for (const [trusted, isBelieved] of cases) {
    const { url } = await gateway(t, policyOf([server.url]), { trustedProxies: readTrustedProxies(trusted, 'test') });
    const { received } = await crossing(url, server.seen, [...claims, 'x-kept: b']);
    assert.equal(received['x-kept'], 'b');
    for (const name of names) assert.equal(received[name] !== undefined, isBelieved, `${name} with "${trusted}"`);
  }
  assert.equal(server.seen.at(-1)?.headers['x-forwarded-for'], '10.0.0.1, 10.0.0.2');
  for (const text of ['10.0.0.0/33', 'example.test', '10.0.0', '::1/200', '1.2.3.4/x'])
    assert.throws(() => readTrustedProxies(text, '--trusted-proxies'), /--trusted-proxies: expected addresses/, text);
});

test('A31: nobody outside speaks in the name of Sluice, neither to rules nor to servers', async (t) => {
  const server = await fakeServer(t, answering({}));
  const { url } = await gateway(t, policyOf([server.url]));
  const { received, text } = await crossing(url, server.seen, [
    'x-sluice-model: other',
    'X-Sluice-Deadline-Ms: 999999',
    'x-sluice-why: me',
    'x-sluice-anything: b',
  ]);
  for (const value of ['other', '999999', 'me', 'b']) assert.ok(!Object.values(received).includes(value), value);
  assert.match(text, /x-sluice-model: m\r\n/);
  const pinned = await crossing(url, server.seen, ['x-sluice-version: v1']);
  assert.deepEqual(pinned.statuses, [403], 'a pin is a request, and the policy allows it or not');
});

test('A32: a prediction has no range and is never "not modified"', async (t) => {
  const server = await fakeServer(t, (request, response) => {
    const isPart = request.headers.range !== undefined || request.headers['if-none-match'] !== undefined;
    request.resume().on('end', () => response.writeHead(isPart ? 206 : 200, { 'content-length': 2 }).end('{}'));
  });
  const { url } = await gateway(t, policyOf([server.url]));
  const { statuses, received } = await crossing(url, server.seen, [
    'Range: bytes=0-0',
    'If-Range: "a"',
    'If-None-Match: *',
    'If-Modified-Since: Sat, 01 Jan 2022 00:00:00 GMT',
  ]);
  assert.deepEqual(statuses, [200]);
  for (const name of ['range', 'if-range', 'if-none-match', 'if-modified-since'])
    assert.equal(received[name], undefined, name);
});
