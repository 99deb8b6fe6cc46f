import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSecretField, withoutSecrets } from '../../../gateway/policy/secrets.ts';

const CASES: readonly (readonly [path: string, copied: string])[] = [
  ['/v1/chat', '/v1/chat'],
  ['/v1/chat?x=1', '/v1/chat?x=1'],
  ['/v1/chat?x=1&&y', '/v1/chat?x=1&&y'],
  ['/v1/chat?api_key=abc', '/v1/chat'],
  ['/v1/chat?q=a&api_key=abc&lang=en', '/v1/chat?q=a&lang=en'],
  ['/v1/chat?q=%20a+b&apiKey=abc', '/v1/chat?q=%20a+b'],
  ['/v1/chat?api%5Fkey=abc', '/v1/chat'],
  ['/v1/chat?API-KEY=abc', '/v1/chat'],
  ['/v1/chat?key=abc&access_token=x&id_token=y&sig=z', '/v1/chat'],
  ['/v1/chat?X-Amz-Signature=x&X-Amz-Credential=y&X-Amz-Date=z', '/v1/chat?X-Amz-Date=z'],
  ['/v1/chat?password[]=x', '/v1/chat'],
  ['/v1/chat?q=1;api_key=x', '/v1/chat'],
  ['/v1/chat?%ZZ=1&token=x', '/v1/chat?%ZZ=1'],
  ['/v1/chat?max_tokens=10&keyword=a&signal=b&author=c', '/v1/chat?max_tokens=10&keyword=a&signal=b&author=c'],
];

test('a query is copied byte by byte, without the parameters that are named like credentials', () => {
  for (const [path, copied] of CASES) assert.equal(withoutSecrets(path), copied);
});

test('values of a body under names like credentials are never kept', () => {
  assert.deepEqual(['api_key', 'sessionId', 'userToken'].map(isSecretField), [true, true, true]);
  assert.equal(isSecretField('text'), false);
});
