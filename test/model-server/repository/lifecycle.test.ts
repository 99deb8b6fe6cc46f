import assert from 'node:assert/strict';
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { type ModelServer, startModelServer } from '../../../model-server/main.ts';
import type { ModelServerSettings } from '../../../model-server/settings.ts';
import { undo } from '../../support/undo.ts';
import { until } from '../../support/until.ts';
import { type Files, makeRoot, scaleModel, slowModel } from '../fixtures/models.ts';
import { get, post } from '../fixtures/server.ts';

const row = { inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] };

/** A server whose repository the test can change; `root` is the folder. */
async function start(
  t: TestContext,
  files: Files,
  settings: Partial<ModelServerSettings>,
): Promise<{ server: ModelServer; root: string }> {
  const root = await makeRoot(t, files);
  const server = await startModelServer({ models: root, port: 0, logger: pino({ level: 'silent' }), ...settings });
  undo(t, () => server.close());
  await server.loaded;
  return { server, root };
}

/** Puts a version in place at once, as a careful upload does. */
async function put(root: string, version: string, content: Buffer | string): Promise<void> {
  const staged = join(root, '.staged');
  await mkdir(staged, { recursive: true });
  await writeFile(join(staged, 'model.onnx'), content);
  await mkdir(join(root, version, '..'), { recursive: true });
  await rm(join(root, version), { recursive: true, force: true });
  await rename(staged, join(root, version));
}

/** What the model answers for [1, 2]: its weight, or the status of the refusal. */
async function weightOf(server: ModelServer, path = 'm'): Promise<number> {
  const answer = await post(`${server.url}/v2/models/${path}/infer`, row);
  return answer.status === 200 ? JSON.parse(answer.text).outputs[0].data[0] : answer.status;
}

async function indexOf(server: ModelServer, body: unknown = ''): Promise<unknown> {
  return JSON.parse((await post(`${server.url}/v2/repository/index`, body)).text);
}

const control = (server: ModelServer, model: string, verb: 'load' | 'unload', body: unknown = '') =>
  post(`${server.url}/v2/repository/models/${model}/${verb}`, body);

test('explicit: only what is named loads at the start, the rest when it is asked for', async (t) => {
  const files = { 'm/1/model.onnx': scaleModel(2), 'n/1/model.onnx': scaleModel(3) };
  const { server } = await start(t, files, { control: 'explicit', load: ['n'] });
  assert.deepEqual(await indexOf(server), [
    { name: 'm', version: '1', state: 'UNAVAILABLE', reason: 'not loaded yet' },
    { name: 'n', version: '1', state: 'READY', reason: '' },
  ]);
  assert.deepEqual(await indexOf(server, { ready: true }), [{ name: 'n', version: '1', state: 'READY', reason: '' }]);
  assert.equal(await weightOf(server), 503);
  const loaded = await control(server, 'm', 'load');
  assert.deepEqual([loaded.status, loaded.text], [200, '{"name":"m","load":true}']);
  assert.equal(await weightOf(server), 2);
  const unloaded = await control(server, 'm', 'unload', { parameters: { unload_dependents: false } });
  assert.deepEqual([unloaded.status, unloaded.text], [200, '{"name":"m","unload":true}']);
  assert.equal(await weightOf(server), 503);
  assert.equal((await get(`${server.url}/v2/models/m/ready`)).status, 503);
  assert.equal(await weightOf(server, 'n'), 3);
  assert.match((await get(`${server.url}/v2`)).text, /model_repository/);
});

test('explicit: a web page, of whatever origin, loads and unloads nothing', async (t) => {
  const { server } = await start(t, { 'm/1/model.onnx': scaleModel(2) }, { control: 'explicit', load: ['m'] });
  for (const headers of [{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }])
    for (const verb of ['load', 'unload']) {
      const answer = await post(`${server.url}/v2/repository/models/m/${verb}`, '', headers as Record<string, string>);
      assert.equal(answer.status, 403, answer.text);
    }
  assert.equal(await weightOf(server), 2);
});

test('explicit: a load takes new and changed versions, and drops those that are gone', async (t) => {
  const { server, root } = await start(t, { 'm/1/model.onnx': scaleModel(2) }, { control: 'explicit' });
  await put(root, 'm/2', scaleModel(4));
  assert.equal(await weightOf(server), 2, 'nothing changes by itself');
  assert.equal((await control(server, 'm', 'load')).status, 200);
  assert.equal(await weightOf(server), 4);
  assert.equal(await weightOf(server, 'm/versions/1'), 2);
  await put(root, 'm/1', scaleModel(7));
  await rm(join(root, 'm/2'), { recursive: true });
  assert.equal((await control(server, 'm', 'load')).status, 200);
  assert.equal(await weightOf(server), 7);
  assert.equal(await weightOf(server, 'm/versions/2'), 404);
});

test('explicit: a load that fails says why and leaves the old version serving', async (t) => {
  const { server, root } = await start(t, { 'm/1/model.onnx': scaleModel(2) }, { control: 'explicit' });
  await put(root, 'm/1', 'garbage');
  const failed = await control(server, 'm', 'load');
  assert.equal(failed.status, 400);
  assert.match(failed.text, /model m version 1 failed to load: load failed: Protobuf parsing failed/);
  assert.equal(await weightOf(server), 2);
  assert.match(JSON.stringify(await indexOf(server)), /"state":"READY","reason":"load failed/);
  await put(root, 'm/1', scaleModel(5));
  assert.equal((await control(server, 'm', 'load')).status, 200);
  assert.equal(await weightOf(server), 5);
});

const badCalls: readonly [string, string, 'load' | 'unload', unknown, number, RegExp][] = [
  ['an unknown model', 'nobody', 'load', '', 404, /holds no model .*nobody/],
  ['an unknown model to unload', 'nobody', 'unload', '', 404, /no model .*nobody/],
  ['a path', '..%2f..%2fetc', 'load', '', 404, /holds no model/],
  ['a prototype', '__proto__', 'load', '', 404, /holds no model/],
  ['a file in the call', 'm', 'load', { parameters: { 'file:1/model.onnx': 'AAAA' } }, 501, /from the repository only/],
  ['a config in the call', 'm', 'load', { parameters: { config: '{}' } }, 501, /from the repository only/],
  ['broken JSON', 'm', 'load', '{', 400, /not valid JSON/],
  ['a list', 'm', 'load', [], 400, /must be a JSON object or empty/],
  ['a strange flag', 'm', 'unload', { parameters: { unload_dependents: 'yes' } }, 400, /must be true or false/],
];

test('explicit: bad calls are refused with their reason and change nothing', async (t) => {
  const { server } = await start(t, { 'm/1/model.onnx': scaleModel(2) }, { control: 'explicit' });
  for (const [name, model, verb, body, status, message] of badCalls) {
    const answer = await control(server, model, verb, body);
    assert.equal(answer.status, status, `${name}: ${answer.text}`);
    assert.match(answer.text, message, name);
  }
  assert.equal((await post(`${server.url}/v2/repository/index`, '{"ready":1}')).status, 400);
  assert.equal(await weightOf(server), 2);
});

test('fixed and poll: loading and unloading by call is refused with the way to it', async (t) => {
  const { server } = await start(t, { 'm/1/model.onnx': scaleModel(2) }, {});
  for (const verb of ['load', 'unload'] as const) {
    const answer = await control(server, 'm', verb);
    assert.equal(answer.status, 400);
    assert.match(answer.text, /start this server with --model-control explicit/);
  }
  assert.equal(((await indexOf(server)) as unknown[]).length, 1);
});

test('poll: new, changed and vanished versions are noticed; a broken one changes nothing', async (t) => {
  const { server, root } = await start(
    t,
    { 'm/1/model.onnx': scaleModel(2), 'keep/1/model.onnx': scaleModel(9) },
    { control: 'poll', pollIntervalMs: 25 },
  );
  await put(root, 'm/2', scaleModel(4));
  await until(async () => (await weightOf(server)) === 4, 'the new version');
  await put(root, 'm/2', scaleModel(6));
  await until(async () => (await weightOf(server)) === 6, 'the changed version');
  await put(root, 'm/2', 'garbage');
  await until(async () => /garbage|failed/.test(JSON.stringify(await indexOf(server))), 'the failed load');
  assert.equal(await weightOf(server), 6, 'the old one still serves');
  await rm(join(root, 'm/2'), { recursive: true });
  await until(async () => (await weightOf(server)) === 2, 'the version gone');
  await rm(join(root, 'm'), { recursive: true });
  await until(async () => (await weightOf(server)) === 404, 'the model gone');
  assert.doesNotMatch((await get(`${server.url}/metrics`)).text, /sluice_server_\w+\{model="m"/);
  await rm(join(root, 'keep'), { recursive: true });
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal(await weightOf(server, 'keep'), 9, 'an empty folder is not believed');
});

test('poll: a server may start with nothing and fill later', async (t) => {
  const { server, root } = await start(t, {}, { control: 'poll', pollIntervalMs: 25 });
  assert.equal((await get(`${server.url}/v2/health/ready`)).status, 503);
  assert.equal((await get(`${server.url}/startupz`)).status, 200);
  await put(root, 'm/1', scaleModel(2));
  await until(async () => (await get(`${server.url}/v2/health/ready`)).status === 200, 'ready');
});

test('readiness stays while a later version loads, and no request to the others fails', async (t) => {
  const { server, root } = await start(t, { 'm/1/model.onnx': scaleModel(2) }, { control: 'explicit' });
  await put(root, 'large/1', slowModel(15));
  let isLoaded = false;
  const load = control(server, 'large', 'load').finally(() => {
    isLoaded = true;
  });
  let turns = 0;
  while (!isLoaded || turns < 5) {
    assert.equal((await get(`${server.url}/v2/health/ready`)).status, 200);
    assert.equal(await weightOf(server), 2);
    turns++;
  }
  assert.equal((await load).status, 200);
  t.diagnostic(`${turns} turns`);
});

test('a version is unloaded when its requests have been answered', async (t) => {
  const { server } = await start(t, { 'slow/1/model.onnx': slowModel(4) }, { control: 'explicit' });
  const body = { inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [0.001] }] };
  const runs = [1, 2, 3].map(() => post(`${server.url}/v2/models/slow/infer`, body));
  await until(async () => /pending_requests\{.*\} 3/.test((await get(`${server.url}/metrics`)).text), 'three requests');
  const unload = control(server, 'slow', 'unload');
  for (const { status, text } of await Promise.all(runs)) {
    assert.equal(status, 200, text);
  }
  assert.equal((await unload).status, 200);
});

test('aliases name versions for v2 and v1, and move only to a version that answers', async (t) => {
  const { server, root } = await start(
    t,
    {
      'm/1/model.onnx': scaleModel(2),
      'm/2/model.onnx': scaleModel(4),
      'm/3/model.onnx': 'garbage',
      'm/model.yaml': 'aliases: { stable: 1, canary: 2 }',
    },
    { control: 'explicit' },
  );
  assert.equal(await weightOf(server, 'm/versions/stable'), 2);
  assert.equal(await weightOf(server, 'm/versions/canary'), 4);
  assert.equal(await weightOf(server, 'm/versions/nobody'), 404);
  const predicted = await post(`${server.url}/v1/models/m/labels/stable:predict`, { instances: [[1, 2]] });
  assert.equal(predicted.text, '{"predictions":[{"y":[2,4],"label":1}]}');
  await writeFile(join(root, 'm/model.yaml'), 'aliases: { stable: 2, canary: 3 }');
  await control(server, 'm', 'load');
  assert.equal(await weightOf(server, 'm/versions/stable'), 4);
  assert.equal(await weightOf(server, 'm/versions/canary'), 4, 'version 3 does not answer: the alias stays');
  await writeFile(join(root, 'm/model.yaml'), 'aliases: [');
  await control(server, 'm', 'load');
  assert.equal(await weightOf(server, 'm/versions/stable'), 4, 'a file that cannot be read changes nothing');
});

test('a version may state the digest of its file, and nothing else is loaded under its name', async (t) => {
  const { server, root } = await start(
    t,
    {
      'm/1/model.onnx': scaleModel(2),
      'm/1/model.yaml': `sha256: "${'0'.repeat(64)}"`,
      'n/1/model.onnx': scaleModel(2),
    },
    { control: 'explicit' },
  );
  assert.match((await get(`${server.url}/v2/models/m/ready`)).text, /not the file whose sha256 model.yaml states/);
  const { parameters } = JSON.parse((await get(`${server.url}/v2/models/n`)).text);
  await writeFile(join(root, 'm/1/model.yaml'), `sha256: "${parameters.sha256}"`);
  assert.equal((await control(server, 'm', 'load')).status, 200);
});

test('a version that changes while it loads is not served', async (t) => {
  const { server, root } = await start(t, { 'n/1/model.onnx': scaleModel(2) }, { control: 'explicit' });
  await put(root, 'm/1', slowModel(15));
  const load = control(server, 'm', 'load');
  await until(async () => /"LOADING"/.test(JSON.stringify(await indexOf(server))), 'the load');
  await cp(join(root, 'n/1/model.onnx'), join(root, 'm/1/extra.bin'));
  const answer = await load;
  assert.equal(answer.status, 400);
  assert.match(answer.text, /its files changed while it was loading/);
  assert.equal((await control(server, 'm', 'load')).status, 200);
});

test('loaded and unloaded again and again under traffic, another version fails no request', async (t) => {
  const files = { 'm/1/model.onnx': scaleModel(2), 'other/1/model.onnx': scaleModel(3) };
  const { server } = await start(t, files, { control: 'explicit' });
  let isOver = false;
  const answers: number[] = [];
  const traffic = [1, 2, 3].map(async () => {
    while (!isOver) {
      answers.push(await weightOf(server, 'other'));
    }
  });
  for (let turn = 0; turn < 8; turn++) {
    assert.equal((await control(server, 'm', 'unload')).status, 200);
    assert.equal((await control(server, 'm', 'load')).status, 200);
    assert.equal(await weightOf(server), 2);
  }
  isOver = true;
  await Promise.all(traffic);
  t.diagnostic(`${answers.length} requests meanwhile`);
  assert.ok(answers.length > 20);
  assert.ok(answers.every((weight) => weight === 3));
});
