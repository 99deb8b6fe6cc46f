import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestHeaders, responseHeaders } from '../../../gateway/forward/headers.ts';

test('hop-by-hop request headers, those that Connection names and our own do not reach the server', () => {
  const raw = [
    'Host', 'gateway', 'Connection', 'keep-alive, X-Secret', 'X-Secret', '1', 'Keep-Alive', 'timeout=5', 'TE', 'trailers',
    'Trailer', 'x', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'Proxy-Authorization', 'Basic x', 'Proxy-Connection', 'close',
    'Expect', '100-continue', 'Content-Length', '3', 'X-Sluice-Version', 'v2', 'X-Request-Id', 'spoofed',
    'Content-Type', 'application/json', 'X-Twice', 'a', 'X-Twice', 'b',
  ]; // biome-ignore format: pairs
  assert.deepEqual(requestHeaders(raw, 'keep-alive, X-Secret', 'id-1', 'inference'), [
    'x-request-id', 'id-1', 'content-type', 'application/json', 'x-twice', 'a', 'x-twice', 'b',
  ]); // biome-ignore format: pairs
});

test('hop-by-hop response headers, those that Connection names and our own do not reach the caller', () => {
  const headers = {
    connection: 'close, x-secret-hop',
    'x-secret-hop': '1',
    'keep-alive': 'timeout=77',
    'proxy-authenticate': 'Basic',
    'transfer-encoding': 'chunked',
    'x-sluice-version': 'forged',
    'x-request-id': 'of the server',
    'content-type': 'application/json',
    'set-cookie': ['a=1', 'b=2'],
  };
  assert.deepEqual(responseHeaders(headers, 'http'), {
    'content-type': 'application/json',
    'set-cookie': ['a=1', 'b=2'],
  });
  assert.deepEqual(responseHeaders(headers, 'inference'), { 'content-type': 'application/json' });
});
