// deploy/Dockerfile without Docker: its stages are laid out in folders as it says, and what stands there is started as a container
// would start it: another user, no capabilities to speak of, only what was copied.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { parseServable } from '../../gateway/policy/load.ts';
import { folderOf } from '../support/folder.ts';
import { needs, pathOf } from '../support/programs.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

type Stage = {
  readonly name: string;
  readonly from: string;
  readonly copies: readonly {
    readonly from: string | undefined;
    readonly sources: readonly string[];
    readonly to: string;
  }[];
  readonly runs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly user: string | undefined;
  readonly ports: readonly string[];
  readonly healthcheck: readonly string[];
};

function stages(): Map<string, Stage> {
  const found = new Map<string, Stage>();
  const lines = readFileSync('deploy/Dockerfile', 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  let stage: { -readonly [K in keyof Stage]: Stage[K] } | undefined;
  for (const line of lines) {
    const [, word = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    const before = stage;
    if (word === 'FROM') {
      const [from = '', , name = ''] = rest.split(' ');
      const base = found.get(from);
      const none = { copies: [], runs: [], env: {}, entrypoint: [], user: undefined, ports: [], healthcheck: [] };
      stage = { ...(base ?? none), name, from };
      found.set(name, stage);
    } else if (before !== undefined) {
      const json = () => JSON.parse(rest.slice(rest.indexOf('['))) as string[];
      if (word === 'COPY') {
        const [, from] = /^--from=(\S+) /.exec(rest) ?? [];
        const words = rest.replace(/^--from=\S+ /, '').split(' ');
        before.copies = [...before.copies, { from, sources: words.slice(0, -1), to: words.at(-1) ?? '' }];
      } else if (word === 'RUN') before.runs = [...before.runs, rest];
      else if (word === 'ENV')
        before.env = {
          ...before.env,
          ...Object.fromEntries(rest.split(' ').map((pair) => pair.split('=') as [string, string])),
        };
      else if (word === 'ENTRYPOINT') before.entrypoint = json();
      else if (word === 'HEALTHCHECK') before.healthcheck = json();
      else if (word === 'USER') before.user = rest;
      else if (word === 'EXPOSE') before.ports = rest.split(' ');
      else assert.ok(['WORKDIR', 'VOLUME', 'STOPSIGNAL', 'ARG'].includes(word), line);
    }
  }
  return found;
}

/** The folder /app of the stage `build`: what was compiled, and the packages that run without the development's. */
function buildFolder(t: TestContext): string {
  const folder = folderOf(t, 'image');
  chmodSync(folder, 0o755);
  cpSync('package.json', join(folder, 'package.json'));
  for (const part of ['gateway', 'model-server'])
    cpSync(`dist/${part}`, join(folder, 'dist', part), { recursive: true });
  rmSync(join(folder, 'dist/model-server/training'), { recursive: true });
  const kept = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { encoding: 'utf8' });
  for (const path of kept.trim().split('\n')) {
    const [, name] = /(node_modules\/.*)$/.exec(path) ?? [];
    if (name !== undefined)
      cpSync(name, join(folder, name), { recursive: true, filter: (source) => !/\/(darwin|win32)(\/|$)/.test(source) });
  }
  cpSync(join(folder, 'node_modules'), join(folder, 'gateway-modules'), { recursive: true });
  for (const name of ['onnxruntime-node', 'onnxruntime-common'])
    rmSync(join(folder, 'gateway-modules', name), { recursive: true });
  return folder;
}

/** What a stage has in /app. */
function layOut(t: TestContext, stage: Stage, build: string): string {
  const root = folderOf(t, 'root');
  chmodSync(root, 0o755);
  for (const { from, sources, to } of stage.copies)
    for (const source of sources) {
      const path = from === undefined ? source : join(build, source.replace(/^\/app\//, ''));
      const target = to.startsWith('/')
        ? join(root, to)
        : join(root, 'app', to, to.endsWith('/') ? (source.split('/').at(-1) ?? '') : '');
      mkdirSync(dirname(target), { recursive: true });
      cpSync(path, target, { recursive: true });
    }
  return root;
}

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
