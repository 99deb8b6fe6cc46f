import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspectVersion, scanRepository, stampVersion } from '../../../model-server/repository/repository.ts';
import { makeRoot, scaleModel } from '../fixtures/models.ts';
import { encodeModel } from '../fixtures/onnx.ts';
import { get, post, startServer } from '../fixtures/server.ts';

const model = scaleModel(2);

test('versions are found in ascending order of their numbers', async (t) => {
  const root = await makeRoot(t, { 'b/10/model.onnx': '', 'b/9/model.onnx': '', 'a-1.x_y/0/model.onnx': '' });
  const { versions, ignored } = await scanRepository(root);
  assert.deepEqual(
    versions.map(({ model, version }) => `${model}/${version}`),
    ['a-1.x_y/0', 'b/9', 'b/10'],
  );
  assert.deepEqual(ignored, []);
});

test('odd names are ignored and named', async (t) => {
  const root = await makeRoot(t, {
    'good/1/model.onnx': '',
    'good/01/model.onnx': '',
    'good/v2/model.onnx': '',
    'good/1.0/model.onnx': '',
    'good/9999999999999999/model.onnx': '',
    'Upper/1/model.onnx': '',
    '.hidden/1/model.onnx': '',
    '__proto__/1/model.onnx': '',
    [`${'x'.repeat(65)}/1/model.onnx`]: '',
    'notes.txt': 'a file',
  });
  const { versions, ignored } = await scanRepository(root);
  assert.deepEqual(
    versions.map(({ model, version }) => `${model}/${version}`),
    ['good/1'],
  );
  assert.equal(ignored.length, 9);
  assert.match(ignored.join('\n'), /good\/v2: not a version/);
  assert.match(ignored.join('\n'), /Upper: not a model name/);
  assert.match(ignored.join('\n'), /notes.txt: not a folder/);
});

test('of very many versions the highest are taken', async (t) => {
  const root = await makeRoot(
    t,
    Object.fromEntries(Array.from({ length: 103 }, (_, version) => [`m/${version}/model.onnx`, ''])),
  );
  const { versions, ignored } = await scanRepository(root);
  assert.equal(versions.length, 100);
  assert.equal(versions[0]?.version, '3');
  assert.equal(ignored.length, 3);
});

test('a repository that is a file is refused in one line', async (t) => {
  const root = await makeRoot(t, { file: '' });
  await assert.rejects(scanRepository(join(root, 'file')), /is not a folder that can be read/);
});

test('a missing repository is refused in one line', async () => {
  await assert.rejects(scanRepository('/nowhere/models'), /repository \/nowhere\/models is not a folder/);
});

test('every file has its digest, and a changed file or setting is noticed', async (t) => {
  const root = await makeRoot(t, {
    'm/1/model.onnx': model,
    'm/1/weights.bin': 'x',
    'm/1/model.yaml': 'threads: 1',
    'm/model.yaml': 'threads: 2',
    other: model,
  });
  const folder = { model: 'm', version: '1', folder: join(root, 'm/1') };
  const files = await inspectVersion(root, folder);
  const digest = (content: Buffer | string) => createHash('sha256').update(content).digest('hex');
  assert.deepEqual(
    [...files.digests],
    [
      ['model.onnx', digest(model)],
      ['weights.bin', digest('x')],
    ],
  );
  assert.equal(files.bytes, model.length + 1);
  let stamp = files.stamp;
  assert.equal(await stampVersion(root, folder), stamp);
  for (const change of [
    () => rename(join(root, 'other'), join(root, 'm/1/model.onnx')),
    () => writeFile(join(root, 'm/1/weights.bin'), 'longer'),
    () => writeFile(join(root, 'm/1/model.yaml'), 'threads: 16'),
    () => writeFile(join(root, 'm/model.yaml'), 'threads: 32'),
  ]) {
    await change();
    const after = await stampVersion(root, folder);
    assert.notEqual(after, stamp);
    stamp = after;
  }
});

test('links inside the repository are followed, links out of it are not', async (t) => {
  const outside = await makeRoot(t, { 'm/1/model.onnx': model, 'weights.bin': 'x' });
  const root = await makeRoot(t, { 'm/1/model.onnx': model, 'm/5/model.onnx': model });
  await mkdir(join(root, 'm/2'));
  await symlink('../1/model.onnx', join(root, 'm/2/model.onnx'));
  await mkdir(join(root, 'm/3'));
  await symlink(join(outside, 'm/1/model.onnx'), join(root, 'm/3/model.onnx'));
  await symlink(join(outside, 'm/1'), join(root, 'm/4'));
  await symlink(join(outside, 'weights.bin'), join(root, 'm/5/weights.bin'));
  await symlink(join(outside, 'm'), join(root, 'linked'));
  const { versions, ignored } = await scanRepository(root);
  assert.deepEqual(ignored, ['linked: leads outside the repository']);
  const verdicts = versions.map(async (version) => {
    return inspectVersion(root, version).then(
      () => 'good',
      (error: Error) => error.message,
    );
  });
  assert.deepEqual(await Promise.all(verdicts), [
    'good',
    'good',
    'model.onnx leads outside the repository or nowhere',
    'model.onnx leads outside the repository or nowhere',
    'weights.bin leads outside the repository or nowhere',
  ]);
});

test('a pipe or a folder in place of a file is refused without reading it', { timeout: 5000 }, async (t) => {
  const root = await makeRoot(t, { 'm/1/model.onnx': model, 'm/2/model.onnx/x': '', 'm/3/readme': '' });
  execFileSync('mkfifo', [join(root, 'm/1/weights.bin')]);
  const inspect = (version: string) => inspectVersion(root, { model: 'm', version, folder: join(root, 'm', version) });
  await assert.rejects(inspect('1'), /weights.bin is neither a file nor a folder/);
  await assert.rejects(inspect('2'), /there is no file model.onnx/);
  await assert.rejects(inspect('3'), /there is no file model.onnx/);
});

test('broken files are reported with their reason and the other versions serve', async (t) => {
  const server = await startServer(t, {
    'm/1/model.onnx': model,
    'm/2/model.onnx': model.subarray(0, 60),
    'm/3/model.onnx': '',
    'm/4/model.onnx': 'garbage',
    'm/5/notes': 'no model yet',
    'other/1/model.onnx': model,
  });
  await server.loaded;
  assert.equal((await get(`${server.url}/v2/health/ready`)).status, 200);
  for (const version of ['2', '3', '4', '5']) {
    const answer = await get(`${server.url}/v2/models/m/versions/${version}/ready`);
    assert.equal(answer.status, 503);
    const { ready, reason } = JSON.parse(answer.text);
    assert.equal(ready, false);
    assert.match(reason, /^(load failed: |there is no file model.onnx)/);
    assert.doesNotMatch(reason, /sluice-models|\/tmp/);
  }
  const inputs = [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }];
  const answer = await post(`${server.url}/v2/models/m/infer`, { inputs });
  assert.equal(JSON.parse(answer.text).model_version, '1');
});

test('a repository with no version that loads starts, and is not ready', async (t) => {
  const server = await startServer(t, { 'm/1/model.onnx': 'garbage' });
  await server.loaded;
  assert.equal((await get(`${server.url}/v2/health/live`)).status, 200);
  const ready = await get(`${server.url}/v2/health/ready`);
  assert.deepEqual([ready.status, ready.text], [503, '{"ready":false}']);
});

test('a version whose warm-up fails is ready all the same', async (t) => {
  // Zeros become row -4 of a table of 3.
  const picky = encodeModel({
    inputs: [{ name: 'x', type: 'INT64', shape: ['n'] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['n'] }],
    nodes: [
      { op: 'Sub', inputs: ['x', 'four'], outputs: ['index'] },
      { op: 'Gather', inputs: ['table', 'index'], outputs: ['y'] },
    ],
    constants: [
      { name: 'four', shape: [1], data: BigInt64Array.of(4n) },
      { name: 'table', shape: [3], data: Float32Array.of(10, 20, 30) },
    ],
  });
  const server = await startServer(t, { 'picky/1/model.onnx': picky });
  await server.loaded;
  assert.equal((await get(`${server.url}/v2/models/picky/ready`)).status, 200);
  const inputs = [{ name: 'x', shape: [1], datatype: 'INT64', data: [4] }];
  assert.deepEqual(
    JSON.parse((await post(`${server.url}/v2/models/picky/infer`, { inputs })).text).outputs[0].data,
    [10],
  );
});
