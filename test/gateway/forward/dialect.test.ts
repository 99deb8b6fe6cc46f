import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classOfFault, readAnswer } from '../../../gateway/forward/dialect.ts';

const error = (text: string) => Buffer.from(JSON.stringify({ error: text }));

test('an answer is read in the dialect of the server that gave it', () => {
  for (const [kind, status, text, outcome, isNotReady] of [
    ['sluice', 200, '', 'ok', false],
    ['sluice', 400, 'input "x" is missing', 'client_fault', false],
    ['sluice', 404, 'no such model', 'model_fault', true],
    ['sluice', 413, 'too large', 'client_fault', false],
    ['sluice', 429, 'the queue is full', 'shed', false],
    ['sluice', 500, 'the run failed', 'model_fault', false],
    ['sluice', 501, 'no such extension', 'client_fault', false],
    ['sluice', 503, 'loading', 'model_fault', true],
    ['sluice', 504, 'too late', 'model_fault', false],
    [
      'triton',
      400,
      "Failed to process the request(s) for model instance 'm_0', message: ValueError",
      'model_fault',
      false,
    ],
    ['triton', 400, "in ensemble 'e', something broke", 'model_fault', false],
    ['triton', 400, "Request for unknown model: 'm' is not ready", 'model_fault', true],
    ['triton', 400, 'unexpected shape for input', 'client_fault', false],
    ['mlserver', 400, 'operands could not be broadcast together', 'model_fault', false],
    ['mlserver', 400, 'Model m is not ready yet', 'model_fault', true],
    ['mlserver', 400, 'Codec not found for input / output with name x', 'client_fault', false],
    ['mlserver', 422, 'field required', 'client_fault', false],
    ['kserve', 500, 'ValueError', 'model_fault', false],
    ['kserve', 503, 'Model with name m is not ready.', 'model_fault', true],
    ['tensorflow-serving', 429, 'RESOURCE_EXHAUSTED', 'shed', false],
    ['tensorflow-serving', 499, 'CANCELLED', 'client_left', false],
    ['tensorflow-serving', 504, 'DEADLINE_EXCEEDED', 'model_fault', false],
  ] as const)
    assert.deepEqual(
      readAnswer(kind, status, error(text)),
      { class: outcome, isNotReady },
      `${kind} ${status} ${text}`,
    );
});

test('of what the gateway answers itself, only failing servers speak against a version', () => {
  assert.deepEqual(
    (['unreachable', 'broken', 'deadline', 'too_large', 'shed', 'client_left'] as const).map(classOfFault),
    ['model_fault', 'model_fault', 'model_fault', 'client_fault', 'shed', 'client_left'],
  );
});
