// deploy/Dockerfile without Docker: its stages are laid out in folders as it says, and what stands there is started as a container
// would start it: another user, no capabilities to speak of, only what was copied.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { parseServable } from '../../gateway/policy/load/load.ts';
import { buildFolder, layOut, type Stage, stages } from '../support/dockerfile.ts';
import { folderOf } from '../support/folder.ts';
import { needs, pathOf } from '../support/programs.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

/** Starts the entry point as the stage's user where we may; answers where it listens. */
async function start(
  t: TestContext,
  stage: Stage,
  root: string,
  env: Record<string, string>,
  ready: (port: number) => string,
) {
  const uid = Number(stage.user?.split(':')[0]);
  const isRoot = process.getuid?.() === 0;
  const [, ...args] = stage.entrypoint;
  const child = spawn(process.execPath, args, {
    cwd: join(root, 'app'),
    env: { PATH: process.env.PATH ?? '', ...stage.env, ...env },
    ...(isRoot ? { uid, gid: uid } : {}),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += piece));
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  undo(t, () => {
    child.kill('SIGKILL');
    return ended;
  });
  const ports = () =>
    [...output.matchAll(/"(?:url|adminUrl)":"http:\/\/[^:]+:(\d+)"/g)].map(([, port]) => Number(port));
  await until(() => {
    assert.equal(child.exitCode, null, output);
    return ports().length > 0;
  }, 'a line that says where it listens');
  await until(async () => {
    const answer = await fetch(ready(ports().at(-1) ?? 0)).catch(() => undefined);
    return answer?.ok === true;
  }, 'readiness');
  return { child, ended, ports: ports() };
}

test('everything that the Dockerfile copies and runs exists', (t) => {
  const build = buildFolder(t);
  const all = stages();
  assert.deepEqual([...all.keys()], ['build', 'base', 'gateway', 'model-server', 'build-gpu', 'model-server-gpu']);
  for (const { name, copies, entrypoint, user, healthcheck, ports } of all.values()) {
    for (const { from, sources } of copies)
      for (const source of sources) {
        if (source === '/usr/local/bin/node') continue;
        const path = from === undefined ? source : join(build, source.replace(/^\/app\//, ''));
        assert.ok(existsSync(path), `${name}: ${source}`);
        // The context holds it too.
        if (from === undefined)
          assert.match(readFileSync('.dockerignore', 'utf8'), new RegExp(`^!${source.replaceAll('.', '\\.')}$`, 'm'));
      }
    if (!['gateway', 'model-server', 'model-server-gpu'].includes(name)) continue;
    assert.equal(user, '1000:1000');
    assert.equal(healthcheck[0], 'node');
    assert.ok(ports.length > 0 && healthcheck[2]?.includes(`:${ports.at(-1)}/`));
    assert.ok(existsSync(join(build, entrypoint.find((word) => word.endsWith('.js')) ?? '')));
  }
  for (const script of readFileSync('deploy/Dockerfile', 'utf8').matchAll(/npm run (\w+)/g))
    assert.ok(script[1] !== undefined && script[1] in JSON.parse(readFileSync('package.json', 'utf8')).scripts);
});

test('onnxruntime-node is left with the libraries of this platform alone', (t) => {
  const folder = folderOf(t, 'slim');
  const bin = 'node_modules/onnxruntime-node/bin';
  for (const file of execFileSync('find', [bin, '-type', 'd'], { encoding: 'utf8' }).trim().split('\n'))
    mkdirSync(join(folder, file), { recursive: true });
  const run =
    stages()
      .get('build')
      ?.runs.find((line) => line.startsWith('find ')) ?? '';
  execFileSync('sh', ['-c', run], { cwd: folder });
  const left = execFileSync('find', [bin, '-mindepth', '3', '-type', 'd'], { cwd: folder, encoding: 'utf8' });
  assert.match(left, new RegExp(`^${bin}/napi-v\\d+/linux/${process.arch}\\n$`));
});

test('both images serve from what was copied, as another user that may write nothing but /data, and end on SIGTERM', async (t) => {
  const build = buildFolder(t);
  const all = stages();
  const [server, gateway] = [all.get('model-server') as Stage, all.get('gateway') as Stage];
  const serverRoot = layOut(t, server, build);
  const size = Number(execFileSync('du', ['-sm', join(serverRoot, 'app')], { encoding: 'utf8' }).split('\t')[0]);
  t.diagnostic(`the model server's /app has ${size} MB`);
  assert.ok(size < 120);
  const local = { SLUICE_HOST: '127.0.0.1', SLUICE_ADMIN_HOST: '127.0.0.1', SLUICE_MODEL_SERVER_HOST: '127.0.0.1' };
  const models = {
    SLUICE_MODELS: join(serverRoot, 'models'),
    SLUICE_MODEL_SERVER_PORT: '0',
    SLUICE_MODEL_SERVER_DRAIN_GRACE: '0ms',
  };
  const one = await start(
    t,
    server,
    serverRoot,
    { ...local, ...models },
    (port) => `http://127.0.0.1:${port}/v2/health/ready`,
  );

  const gatewayRoot = layOut(t, gateway, build);
  const data = join(gatewayRoot, 'data');
  mkdirSync(data);
  if (process.getuid?.() === 0) chownSync(data, 1000, 1000);
  const policy = join(gatewayRoot, 'policy.yaml');
  const text = readFileSync('deploy/compose/policy.yaml', 'utf8').replace(
    'model-server:9101',
    `127.0.0.1:${one.ports[0]}`,
  );
  execFileSync('tee', [policy], { input: text, stdio: ['pipe', 'ignore', 'inherit'] });
  const settings = {
    SLUICE_POLICY: policy,
    SLUICE_DATA: data,
    SLUICE_PORT: '0',
    SLUICE_ADMIN_PORT: '0',
    SLUICE_DRAIN_GRACE: '0ms',
  };
  const two = await start(
    t,
    gateway,
    gatewayRoot,
    { ...local, ...settings },
    (port) => `http://127.0.0.1:${port}/readyz`,
  );
  const [port = 0] = two.ports;
  await until(async () => {
    const body = readFileSync('config/data/digits.json');
    return (await fetch(`http://127.0.0.1:${port}/v2/models/digits/infer`, { method: 'POST', body })).status === 200;
  }, 'a prediction');
  assert.ok(!existsSync(join(gatewayRoot, 'app/node_modules/onnxruntime-node')));
  for (const { child, ended } of [two, one]) {
    child.kill('SIGTERM');
    assert.equal(await ended, 0);
  }
});

test('the compose file fits its specification, names what exists, and its policy can be served', () => {
  const compose = parse(readFileSync('deploy/compose.yaml', 'utf8'), { merge: true }) as {
    services: Record<
      string,
      { image: string; build?: { dockerfile: string; target: string }; volumes?: string[]; command?: string[] }
    >;
    volumes: object;
    secrets: Record<string, { file: string }>;
  };
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    formats: { duration: true, ports: true, expose: true, subnet_ip_address: true },
  });
  const { $schema, ...schema } = JSON.parse(readFileSync('test/deploy/fixtures/compose-spec.json', 'utf8'));
  assert.match($schema, /draft-07/);
  const validate = ajv.compile(schema);
  validate(compose);
  assert.deepEqual(validate.errors ?? [], []);
  const all = stages();
  for (const { build, volumes = [] } of Object.values(compose.services)) {
    if (build !== undefined) assert.ok(all.has(build.target), build.target);
    for (const volume of volumes) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('.')) assert.ok(existsSync(join('deploy', source)), source);
      else assert.ok(source in compose.volumes, source);
    }
  }
  const services = Object.keys(compose.services);
  const { fleet } = parseServable(readFileSync('deploy/compose/policy.yaml', 'utf8'), 'deploy/compose/policy.yaml');
  for (const { origin } of fleet.values()) assert.ok(services.includes(new URL(origin).hostname), origin);
  for (const file of ['deploy/prometheus/compose.yaml', 'deploy/alertmanager/compose.yaml'])
    for (const [, host = ''] of readFileSync(file, 'utf8').matchAll(/(?:http:\/\/|")([a-z-]+):\d{4}/g))
      assert.ok(services.includes(host), `${file}: ${host}`);
  assert.ok(statSync('deploy/compose').isDirectory());
});

test('systemd accepts the units, and they start the programs that are there', needs('systemd-analyze'), (t) => {
  const folder = folderOf(t, 'units');
  for (const unit of ['sluice-gateway.service', 'sluice-model-server@.service']) {
    const text = readFileSync(`deploy/systemd/${unit}`, 'utf8');
    const [, command = ''] = /^ExecStart=\/usr\/bin\/node --enable-source-maps \/opt\/sluice\/(\S+)/m.exec(text) ?? [];
    assert.ok(existsSync(command), command);
    const here = text.replaceAll('/usr/bin/node', process.execPath).replaceAll('/opt/sluice', process.cwd());
    const file = join(folder, unit.replace('@', '@9101'));
    execFileSync('tee', [file], { input: here, stdio: ['pipe', 'ignore', 'inherit'] });
    const told = execFileSync(pathOf('systemd-analyze') ?? '', ['verify', '--man=no', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.equal(told, '');
  }
});
