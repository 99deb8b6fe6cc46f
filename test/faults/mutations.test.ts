// Requests that something broke in a place nobody thought of: what the framing grid's table cannot list.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { gateway, policyOf } from '../support/gateway.ts';
import { exchangeRaw } from '../support/raw-exchange.ts';
import { recordingBackend } from './recording-backend.ts';

const CASES = 400;
const AT_ONCE = 16;

const FIRST = 'POST /v2/models/m/infer HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\nx-a: b\r\n\r\n{"a": 1}';
const SECOND =
  'POST /v2/models/m/infer HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"b"\r\n4\r\n: 2}\r\n0\r\n\r\n';
const LAST = 'GET /v2/models/m HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
const WHOLE = FIRST + SECOND + LAST;

const SPLINTERS = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '1',
  '7',
  'F',
  '\x0b',
  '\xff',
  '%2e',
  '..',
  '#',
  '\r\n\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Connection: close\r\n',
  'Connection: upgrade\r\nUpgrade: x\r\n',
  'Expect: 100-continue\r\n',
  'Host: b.test\r\n',
  'HTTP/1.0',
  'GET / HTTP/1.1\r\n',
  '0\r\n\r\n',
  FIRST,
];

const MUTATION = fc.record({
  at: fc.integer({ min: 0, max: WHOLE.length }),
  cut: fc.integer({ min: 0, max: 12 }),
  splinter: fc.oneof(fc.constantFrom(...SPLINTERS), fc.constant('')),
});

test('whatever is broken in three pipelined requests, every one at the server has its answer, and none is a 500', async (t) => {
  const backend = await recordingBackend(t);
  const { url } = await gateway(t, policyOf([backend.url], 'timeout: 10s'), { limits: { requestTimeoutMs: 400 } });
  const mutants = fc.sample(fc.array(MUTATION, { minLength: 1, maxLength: 3 }), { seed: 20_261_125, numRuns: CASES });
  const todo = mutants.map(mutate);
  let answers = 0;
  const failures: string[] = [];
  const worker = async () => {
    for (let bytes = todo.pop(); bytes !== undefined; bytes = todo.pop()) {
      const { statuses, isClosed } = await exchangeRaw(url, bytes, { answers: 100, quietMs: 0, atMostMs: 20_000 });
      answers += statuses.filter((status) => status === 200).length;
      if (!isClosed || statuses.includes(500)) failures.push(`${JSON.stringify(bytes)} -> ${statuses} ${isClosed}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  assert.deepEqual(failures, []);
  assert.deepEqual(backend.garbage, []);
  t.diagnostic(`${CASES} mutants, ${backend.seen.length} requests at the server, ${answers} answers`);
  assert.equal(answers, backend.seen.length, 'as many answers as requests at the server');
  const heads = new Set(backend.seen.map(({ method, path }) => `${method} ${path}`));
  for (const head of heads) assert.match(head, /^(POST \/v2\/models\/m\/infer|GET \/v2\/models\/m)$/);
});

function mutate(mutations: readonly { at: number; cut: number; splinter: string }[]): string {
  let bytes = WHOLE;
  for (const { at, cut, splinter } of mutations) bytes = bytes.slice(0, at) + splinter + bytes.slice(at + cut);
  return bytes + LAST; // so that one that is whole still ends
}
