import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProviders } from '../../../model-server/protocol/provider-names.ts';
import { openWithFirst } from '../../../model-server/run/providers.ts';

const lists: readonly [string, readonly string[] | undefined][] = [
  ['cpu', ['cpu']],
  ['cuda, cpu', ['cuda', 'cpu']],
  ['cpu,webgpu,tensorrt', ['cpu', 'webgpu', 'tensorrt']],
  ['', undefined],
  ['cpu,', undefined],
  ['gpu', undefined],
  ['cpu,cpu', undefined],
];

for (const [text, expected] of lists) {
  test(`"${text}" is ${expected ? `the order ${expected}` : 'no list of providers'}`, () => {
    assert.deepEqual(parseProviders(text), expected);
  });
}

test('the first provider that can opens the model, and the refusals before it are told', async () => {
  const tried: string[] = [];
  const opened = await openWithFirst(['cuda', 'webgpu', 'cpu'], async (provider) => {
    tried.push(provider);
    if (provider !== 'cpu') {
      throw new Error(`no ${provider} here`);
    }
    return 'session';
  });
  assert.deepEqual(tried, ['cuda', 'webgpu', 'cpu']);
  assert.deepEqual(opened, {
    provider: 'cpu',
    opened: 'session',
    refusals: ['cuda: no cuda here', 'webgpu: no webgpu here'],
  });
});

test('when none can, every reason is told', async () => {
  const fail = async (provider: string) => {
    throw new Error(`${provider} is broken`);
  };
  await assert.rejects(openWithFirst(['cuda', 'cpu'], fail), { message: 'cuda: cuda is broken; cpu: cpu is broken' });
  await assert.rejects(openWithFirst(['cpu'], fail), { message: 'cpu is broken' });
});
