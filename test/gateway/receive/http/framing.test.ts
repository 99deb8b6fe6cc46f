// The guard alone, with what Node's parser would not even let through; the grid in test/faults has the rest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RequestHead, refuseFraming } from '../../../../gateway/receive/http/framing.ts';
import { isAuthority, isSameAuthority, readTarget } from '../../../../gateway/receive/http/target.ts';

const HEAD: RequestHead = {
  method: 'POST',
  target: '/v2/models/m/infer',
  httpVersion: '1.1',
  rawHeaders: ['Host', 'a', 'Content-Length', '2'],
};

function refusal(change: Partial<RequestHead>): string {
  const refused = refuseFraming({ ...HEAD, ...change });
  return refused === undefined ? 'served' : refused.code;
}

const HEADERS: readonly (readonly [readonly string[], string])[] = [
  [['Host', 'a'], 'served'],
  [['hOST', 'a', 'TRANSFER-encoding', 'Chunked'], 'served'],
  [['Host', 'a', 'Content-Length', '2', 'Content-Length', '2'], 'BAD_REQUEST'],
  [['Host', 'a', 'Content-Length', '2', 'content-length', '3'], 'BAD_REQUEST'],
  [['Host', 'a', 'Content-Length', '2,2'], 'BAD_REQUEST'],
  [['Host', 'a', 'Content-Length', '-1'], 'BAD_REQUEST'],
  [['Host', 'a', 'Content-Length', ''], 'BAD_REQUEST'],
  [['Host', 'a', 'Content-Length', '2', 'Transfer-Encoding', 'chunked'], 'BAD_REQUEST'],
  [['Host', 'a', 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], 'BAD_REQUEST'],
  [['Host', 'a', 'Transfer-Encoding', 'gzip, chunked'], 'NOT_IMPLEMENTED'],
  [['Host', 'a', 'Transfer-Encoding', 'chunked, chunked'], 'NOT_IMPLEMENTED'],
  [['Host', 'a', 'transfer_encoding', 'chunked'], 'BAD_REQUEST'],
  [['Host', 'a', 'x_sluice_version', 'v2'], 'BAD_REQUEST'],
  [['Host', 'a', 'X_Forwarded-For', '1.2.3.4'], 'BAD_REQUEST'],
  [['Host', 'a', 'x_user_id', 'ada'], 'served'],
  [['Host', 'a', 'Expect', '100-CONTINUE'], 'served'],
  [['Host', 'a', 'Expect', '200-ok'], 'EXPECTATION'],
  [['Host', 'a', 'x-a', '1', 'x-a', '2'], 'served'],
  [['Host', 'a', 'Cookie', '1', 'Cookie', '2'], 'served'],
  [['Host', 'a', 'User-Agent', '1', 'User-Agent', '2'], 'BAD_REQUEST'],
  [['Host', 'a', ...Array(999).fill(['x', 'y']).flat()], 'served'],
  [['Host', 'a', ...Array(1000).fill(['x', 'y']).flat()], 'HEADERS_TOO_LARGE'],
  [['Host', 'a', 'x', 'y'.repeat(8187)], 'served'],
  [['Host', 'a', 'x', 'y'.repeat(8188)], 'HEADERS_TOO_LARGE'],
];

for (const [rawHeaders, expected] of HEADERS) {
  const shown = rawHeaders.join(' ').slice(0, 60);
  test(`the headers "${shown}" are ${expected === 'served' ? expected : `refused as ${expected}`}`, () =>
    assert.equal(refusal({ rawHeaders }), expected));
}

test('other versions of HTTP and methods that are no business of a gateway are refused', () => {
  for (const httpVersion of ['0.9', '1.2', '2.0']) assert.equal(refusal({ httpVersion }), 'HTTP_VERSION', httpVersion);
  for (const method of ['CONNECT', 'TRACE', 'PROPFIND', 'post', ''])
    assert.equal(refusal({ method }), 'NOT_IMPLEMENTED', method);
  assert.equal(refusal({ httpVersion: '1.0' }), 'served');
});

test('HTTP/1.0 has no Transfer-Encoding, needs no Host and knows no Expect', () => {
  const old = (...rawHeaders: string[]) => refusal({ httpVersion: '1.0', rawHeaders });
  assert.equal(old('Transfer-Encoding', 'chunked'), 'BAD_REQUEST');
  assert.equal(old(), 'served');
  assert.equal(old('Expect', 'anything'), 'served');
  assert.equal(old('Host', 'a', 'Host', 'a'), 'BAD_REQUEST');
});

test('a target is a path, or an http URL whose host is the one of Host', () => {
  const of = (method: string, target: string) => {
    const read = readTarget(method, target);
    return read.kind === 'ok' ? `${read.authority ?? ''} ${read.originForm}` : read.kind;
  };
  assert.equal(of('POST', '/a/b?c=/../d'), ' /a/b?c=/../d');
  assert.equal(of('POST', 'http://h:80/a?b'), 'h:80 /a?b');
  assert.equal(of('GET', 'http://h'), 'h /');
  assert.equal(of('GET', 'http://h?a'), 'h /?a');
  assert.equal(of('OPTIONS', '*'), ' *');
  for (const target of [
    '',
    'a',
    '*',
    'h:80',
    'https://h/',
    'http:///a',
    'http://u@h/',
    '/a b',
    '/a#b',
    '/\x7f',
    '/é',
    '/a\\b',
  ])
    assert.equal(of('POST', target), 'malformed', target);
  for (const target of ['/.', '/..', '/a/./b', '/a/../b', '/a/%2E%2e/b', '/a/.%2e', '/%2e'])
    assert.equal(of('POST', target), 'malformed', target);
  for (const target of ['/...', '/.a', '/a..', '/a/..b/c', '/a?b=..', '/a/..%2fb', '/a.b/1.0'])
    assert.equal(of('POST', target), ` ${target}`, target);
  assert.equal(of('POST', `/${'a'.repeat(7999)}`).length, 8001);
  assert.equal(of('POST', `/${'a'.repeat(8000)}`), 'too_long');
});

test('hosts are compared without case and default port, and are never empty', () => {
  for (const host of [
    'a',
    'a.b:1',
    '127.0.0.1:65535',
    '[::1]',
    '[2001:db8::1]:80',
    'a:',
    'a%20b',
    'xn--bcher-kva.test',
  ])
    assert.equal(isAuthority(host), true, host);
  for (const host of ['', ':80', 'a:65536', 'a:1:2', '[::1', 'a/b', 'u@h', 'a b', 'é', 'a%2', '[g]', 'a:-1', 'a:1e3'])
    assert.equal(isAuthority(host), false, host);
  assert.equal(isSameAuthority('A.test:80', 'a.TEST'), true);
  assert.equal(isSameAuthority('a:', 'a'), true);
  assert.equal(isSameAuthority('a:81', 'a'), false);
  assert.equal(isSameAuthority('a:8080', 'a:80'), false);
});
