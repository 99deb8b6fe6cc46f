// Model files that are broken or mean harm: the version is not ready and says why, the others serve, nothing is read outside.
import assert from 'node:assert/strict';
import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { startModelServer } from '../../../model-server/main.ts';
import { undo } from '../../support/undo.ts';
import { makeRoot, scaleModel } from '../fixtures/models.ts';
import { externalModel } from '../fixtures/onnx.ts';
import { get, post } from '../fixtures/server.ts';

const WEIGHTS = Buffer.from(Float32Array.of(10, 20, 30, 40).buffer);
const SECRET = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);

const escapes: readonly [string, Record<string, string>][] = [
  ['a parent folder', { location: '../../outside.bin' }],
  ['a parent through a child', { location: 'sub/../../../outside.bin' }],
  ['the neighbour version', { location: '../other.bin' }],
  ['an absolute path', { location: '/etc/hostname' }],
  ['a device', { location: '/dev/zero', length: '16' }],
  ['a link that leaves', { location: 'leaves.bin' }],
  ['a file that is not there', { location: 'missing.bin' }],
  ['a length beyond the file', { location: 'weights.bin', length: '4096' }],
  ['an offset beyond the file', { location: 'weights.bin', offset: '4096', length: '16' }],
  ['a negative offset', { location: 'weights.bin', offset: '-8', length: '16' }],
  ['an offset that is text', { location: 'weights.bin', offset: 'x', length: '16' }],
  ['the memory of the process', { location: '*/_ORT_MEM_ADDR_/*', offset: '140000000000000', length: '16' }],
  ['nothing', { location: '' }],
];

test('external data is read from the folder of its version and from nowhere else', async (t) => {
  const root = await makeRoot(t, {
    'good/1/model.onnx': externalModel({ location: 'weights.bin', offset: '0', length: '16' }),
    'good/1/weights.bin': WEIGHTS,
    'outside.bin': SECRET,
  });
  for (const [index, [, external]] of escapes.entries()) {
    const folder = join(root, `m${index}/1`);
    await mkdir(join(folder, 'sub'), { recursive: true });
    await writeFile(join(folder, 'model.onnx'), externalModel(external));
    await writeFile(join(folder, 'weights.bin'), WEIGHTS);
    await writeFile(join(folder, '../other.bin'), SECRET);
    if (external.location === 'leaves.bin') {
      await symlink('/etc/hostname', join(folder, 'leaves.bin'));
    }
  }
  const server = await startModelServer({ models: root, port: 0, logger: pino({ level: 'silent' }) });
  undo(t, () => server.close());
  await server.loaded;
  for (const [index, [name]] of escapes.entries()) {
    const ready = await get(`${server.url}/v2/models/m${index}/ready`);
    assert.equal(ready.status, 503, `${name}: ${ready.text}`);
    assert.doesNotMatch(ready.text, /sluice-models|"reason":"loading"/, name);
    assert.ok(JSON.parse(ready.text).reason.length > 5, name);
  }
  const inputs = [{ name: 'x', shape: [4], datatype: 'FP32', data: [1, 1, 1, 1] }];
  const answer = await post(`${server.url}/v2/models/good/infer`, { inputs });
  assert.deepEqual(JSON.parse(answer.text).outputs[0].data, [11, 21, 31, 41]);
  const { parameters } = JSON.parse((await get(`${server.url}/v2/models/good`)).text);
  assert.match(parameters['sha256:weights.bin'], /^[0-9a-f]{64}$/);
});

test('a file with a second name elsewhere is refused, for nobody can see where that is', async (t) => {
  const root = await makeRoot(t, { 'm/1/model.onnx': externalModel({ location: 'weights.bin' }), 'a.bin': WEIGHTS });
  await link(join(root, 'a.bin'), join(root, 'm/1/weights.bin'));
  const server = await startModelServer({ models: root, port: 0, logger: pino({ level: 'silent' }) });
  undo(t, () => server.close());
  await server.loaded;
  const ready = await get(`${server.url}/v2/models/m/ready`);
  assert.equal(ready.status, 503);
  assert.match(ready.text, /weights.bin has a second name \(a hard link\): put a copy in its place/);
});

test('truncated and garbled model files are refused with a reason, wherever they are cut', async (t) => {
  const whole = scaleModel(2);
  const garbled = (at: number) => Buffer.from(whole.map((byte, index) => (index === at ? byte ^ 0x5a : byte)));
  const files: Record<string, Buffer> = { 'good/1/model.onnx': whole };
  for (let part = 0; part < 12; part++) {
    files[`cut${part}/1/model.onnx`] = whole.subarray(0, Math.floor((part * whole.length) / 12));
    files[`bad${part}/1/model.onnx`] = garbled(Math.floor((part * whole.length) / 12));
  }
  const root = await makeRoot(t, files);
  const server = await startModelServer({ models: root, port: 0, logger: pino({ level: 'silent' }) });
  undo(t, () => server.close());
  await server.loaded;
  for (const name of Object.keys(files).map((file) => file.split('/')[0] ?? '')) {
    const ready = await get(`${server.url}/v2/models/${name}/ready`);
    // A changed byte may leave a model that is as good as any.
    assert.ok(
      name.startsWith('cut') ? ready.status === 503 : [200, 503].includes(ready.status),
      `${name} ${ready.text}`,
    );
    if (ready.status === 503) {
      assert.notEqual(JSON.parse(ready.text).reason, '', name);
    }
  }
  assert.equal((await get(`${server.url}/v2/models/good/ready`)).status, 200);
});
