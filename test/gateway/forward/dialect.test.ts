import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classOfFault, readAnswer } from '../../../gateway/forward/dialect.ts';

const answer = (status: number, body: Buffer, headers = {}) => ({ status, headers, body });
const error = (text: string) => Buffer.from(JSON.stringify({ error: text }));

test('an answer to an inference is read in the dialect of the server that gave it', () => {
  for (const [kind, status, text, outcome, isNotReady] of [
    ['sluice', 200, '', 'ok', false],
    ['sluice', 400, 'input "x" is missing', 'client_fault', false],
    ['sluice', 404, 'no such model', 'server_fault', true],
    ['sluice', 413, 'too large', 'client_fault', false],
    ['sluice', 429, 'the queue is full', 'shed', false],
    ['sluice', 500, 'the run failed', 'model_fault', false],
    ['sluice', 501, 'no such extension', 'client_fault', false],
    ['sluice', 503, 'loading', 'server_fault', true],
    ['sluice', 504, 'too late', 'model_fault', false],
    [
      'triton',
      400,
      "Failed to process the request(s) for model instance 'm_0', message: ValueError",
      'model_fault',
      false,
    ],
    ['triton', 400, "in ensemble 'e', something broke", 'model_fault', false],
    ['triton', 400, "Request for unknown model: 'm' is not ready", 'server_fault', true],
    ['triton', 400, 'unexpected shape for input', 'client_fault', false],
    ['mlserver', 400, 'operands could not be broadcast together', 'model_fault', false],
    ['mlserver', 400, 'Model m is not ready yet', 'server_fault', true],
    ['mlserver', 400, 'Codec not found for input / output with name x', 'client_fault', false],
    ['mlserver', 422, 'field required', 'client_fault', false],
    ['kserve', 500, 'ValueError', 'model_fault', false],
    ['kserve', 503, 'Model with name m is not ready.', 'server_fault', true],
    ['tensorflow-serving', 429, 'RESOURCE_EXHAUSTED', 'shed', false],
    ['tensorflow-serving', 499, 'CANCELLED', 'client_left', false],
    ['tensorflow-serving', 504, 'DEADLINE_EXCEEDED', 'model_fault', false],
  ] as const)
    assert.deepEqual(
      readAnswer(kind, 'infer', answer(status, error(text))),
      { class: outcome, isNotReady },
      `${kind} ${status} ${text}`,
    );
});

test('of what the gateway answers itself, only a deadline speaks against a version, and failing connections are the fault of servers', () => {
  assert.deepEqual(
    (['unreachable', 'broken', 'deadline', 'too_large', 'too_slow', 'shed', 'client_left'] as const).map(classOfFault),
    ['server_fault', 'server_fault', 'model_fault', 'client_fault', 'client_fault', 'shed', 'client_left'],
  );
});

test('a path that a caller made up, or a call that the server does not have, is the doing of the caller', () => {
  for (const [kind, call, status, outcome, isNotReady] of [
    ['sluice', 'opaque', 404, 'client_fault', false],
    ['mlserver', 'opaque', 400, 'client_fault', false],
    ['sluice', 'opaque', 501, 'client_fault', false],
    ['sluice', 'opaque', 500, 'model_fault', false],
    ['sluice', 'opaque', 503, 'model_fault', false],
    ['sluice', 'opaque', 508, 'model_fault', false],
    ['sluice', 'infer', 508, 'model_fault', false],
    ['triton', 'predict', 404, 'client_fault', false],
    ['triton', 'predict', 400, 'client_fault', false],
    ['mlserver', 'predict', 404, 'client_fault', false],
    ['mlserver', 'predict', 501, 'client_fault', false],
    ['mlserver', 'predict', 500, 'model_fault', false],
    ['mlserver', 'predict', 503, 'server_fault', true],
    ['tensorflow-serving', 'infer', 404, 'client_fault', false],
    ['tensorflow-serving', 'metadata', 404, 'client_fault', false],
    ['tensorflow-serving', 'predict', 404, 'client_fault', false],
    ['kserve', 'predict', 404, 'client_fault', false],
    ['sluice', 'predict', 404, 'client_fault', false],
    ['sluice', 'infer', 404, 'server_fault', true],
  ] as const)
    assert.deepEqual(
      readAnswer(kind, call, answer(status, error('no such path'))),
      { class: outcome, isNotReady },
      `${kind} ${call} ${status}`,
    );
});

test('a v1 call is answered 404 by servers that do not have the model, which say so, and by servers that do not have v1', () => {
  for (const text of [
    'there is no model "m" on this server',
    'the repository holds no model "m"',
    'Model with name m does not exist.',
    'Servable not found for request: Latest(m)',
    '',
  ])
    assert.deepEqual(
      readAnswer('sluice', 'predict', answer(404, text === '' ? Buffer.alloc(0) : error(text))),
      { class: 'server_fault', isNotReady: true },
      text,
    );
  for (const text of ['{"detail":"Not Found"}', '404 page not found', '<html>Cannot POST /v1/models/m:predict</html>'])
    assert.deepEqual(
      readAnswer('sluice', 'predict', answer(404, Buffer.from(text))),
      { class: 'client_fault', isNotReady: false },
      text,
    );
});

test("a 508 is a circle only with a gateway's own sign, which other proxies on the way may have added to", () => {
  const ours = 'sluice; error=proxy_loop_detected';
  for (const [status, sign, outcome] of [
    [508, ours, 'own_limit'],
    [508, `${ours}, edge; received-status=508`, 'own_limit'],
    [508, [ours, 'edge; received-status=508'], 'own_limit'],
    [508, 'edge; error=proxy_loop_detected', 'model_fault'],
    [508, undefined, 'model_fault'],
    [500, ours, 'model_fault'],
    [200, ours, 'ok'],
  ] as const)
    for (const call of ['infer', 'predict', 'opaque'] as const)
      assert.equal(
        readAnswer('sluice', call, answer(status, error('x'), { 'proxy-status': sign })).class,
        outcome,
        `${status} ${sign}`,
      );
});
