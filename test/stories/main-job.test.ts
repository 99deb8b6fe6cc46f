// The main job with real processes and real models: start, answer, lose a server, recover, stop without orphans.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../gateway/cli/run/child.ts';
import { LocalSetup } from '../../gateway/cli/run/local-setup.ts';
import { digitsOf } from '../../model-server/samples/digits.ts';
import { readHeldOut } from '../../model-server/samples/held-out.ts';
import { folderOf } from '../support/folder.ts';
import { freePorts, isFree } from '../support/free-ports.ts';
import { policyFile } from '../support/gateway.ts';
import { isRunning, treeOf } from '../support/process-tree.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const DIGIT = readFileSync('config/data/digits.json', 'utf8');
const TIMEOUT_MS = 500; // of config/policy.yaml

async function setup(t: TestContext, policy = 'config/policy.yaml', grace = '0ms') {
  const local = new LocalSetup({
    policyFile: policy,
    models: 'config/models',
    logLevel: 'silent',
    ports: 'free',
    gatewayArgs: ['--port', '0', '--admin-port', '0', '--drain-grace', grace],
  });
  undo(t, () => local.stop());
  await local.start();
  assert.ok(local.gateway);
  return { local, url: local.gateway.url, adminUrl: local.gateway.adminUrl ?? '', gateway: local.gateway.child };
}

type Answer = {
  status: number;
  version: string | null;
  label: number | undefined;
  error: string | undefined;
  tookMs: number;
};

async function ask(url: string, user: string, body = DIGIT): Promise<Answer> {
  const start = performance.now();
  const response = await fetch(`${url}/v2/models/digits/infer`, {
    method: 'POST',
    body,
    headers: { 'x-user-id': user },
  });
  assert.equal(response.headers.get('content-type'), 'application/json');
  const json = (await response.json()) as { error?: string; outputs?: { name: string; data: number[] }[] };
  return {
    status: response.status,
    version: response.headers.get('x-sluice-version'),
    label: json.outputs?.find(({ name }) => name === 'label')?.data[0],
    error: json.error,
    tookMs: performance.now() - start,
  };
}

test('a real digit is read through the gateway by the version that its user belongs to, every time', async (t) => {
  const { url } = await setup(t);
  // Under digits.canary.digits-v2 user-12 is in slot 81,050, so in the first 10 %, and user-1 in slot 630,780.
  for (const [user, version] of [
    ['user-12', 'v2'],
    ['user-1', 'v1'],
  ] as const) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(url, user)));
    for (const answer of answers) {
      assert.equal(answer.status, 200, answer.error);
      assert.equal(answer.version, version);
      assert.equal(answer.label, 7);
    }
  }
});

test('v1 predict, metadata and readiness work through the gateway', async (t) => {
  const { url } = await setup(t);
  const image = JSON.parse(DIGIT).inputs[0].data;
  const predict = await fetch(`${url}/v1/models/digits:predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ instances: [image] }),
  });
  assert.equal(predict.status, 200);
  const { predictions } = (await predict.json()) as { predictions: { label: number; probabilities: number[] }[] };
  assert.equal(predictions[0]?.label, 7);
  assert.equal(predictions[0]?.probabilities.length, 10);
  const metadata = (await (await fetch(`${url}/v2/models/digits`)).json()) as { name: string; inputs: unknown[] };
  assert.equal(metadata.name, 'digits');
  assert.deepEqual(metadata.inputs, [{ name: 'image', datatype: 'FP32', shape: [-1, 784] }]);
  assert.equal((await fetch(`${url}/v2/models/digits/ready`)).status, 200);
  assert.equal((await fetch(`${url}/v2/models/digits/versions/v2/ready`)).status, 200);
});

test('bad requests get 400 with the reason of the model server', async (t) => {
  const { url } = await setup(t);
  const input = JSON.parse(DIGIT).inputs[0];
  const bad: readonly (readonly [string, unknown, RegExp])[] = [
    ['malformed JSON', '{"inputs":[', /JSON/i],
    ['no inputs', {}, /inputs/],
    ['no tensor for the input', { inputs: [] }, /a tensor for each input/],
    ['an unknown input', { inputs: [{ ...input, name: 'picture' }] }, /picture/],
    ['a wrong shape', { inputs: [{ ...input, shape: [1, 783], data: input.data.slice(1) }] }, /784/],
    ['a shape that lies', { inputs: [{ ...input, shape: [2, 784] }] }, /1568/],
    ['a wrong datatype', { inputs: [{ ...input, datatype: 'INT64' }] }, /FP32/],
    ['strings for numbers', { inputs: [{ ...input, data: input.data.map(String) }] }, /number/],
  ];
  for (const [what, body, reason] of bad) {
    const answer = await ask(url, 'user-1', typeof body === 'string' ? body : JSON.stringify(body));
    assert.equal(answer.status, 400, what);
    assert.match(answer.error ?? '', reason, what);
  }
});

test('a version that really fails is 502 with the reason, and its neighbours go on', async (t) => {
  const policy = readFileSync('config/policy.yaml', 'utf8')
    .replace('version: "2"', 'version: "3"')
    .replace('10%', '100%');
  const { url } = await setup(t, policyFile(t, policy));
  const statuses: Record<number, number> = {};
  for (const [i, { pixels }] of digitsOf(readHeldOut('config/data')).slice(0, 200).entries()) {
    const data = [...pixels];
    const answer = await ask(
      url,
      `user-${i}`,
      JSON.stringify({ inputs: [{ name: 'image', shape: [1, 784], datatype: 'FP32', data }] }),
    );
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    if (answer.status !== 200) assert.match(answer.error ?? '', /Gather|out of (data )?bounds/);
  }
  assert.deepEqual(Object.keys(statuses), ['200', '502']);
  assert.ok((statuses[502] ?? 0) > 20 && (statuses[502] ?? 0) < 60, JSON.stringify(statuses));
});

for (const [signal, allowed] of [
  ['SIGKILL', [200, 502]],
  ['SIGSTOP', [200, 504]],
] as const) {
  test(`a server under ${signal} costs no 500 and no hang, and the gateway recovers without a restart`, async (t) => {
    const { local, url, adminUrl, gateway } = await setup(t);
    const [victim] = local.servers;
    assert.ok(victim);
    undo(t, () => victim.child.process.kill('SIGKILL')); // a frozen process cannot end by itself
    victim.child.process.kill(signal);

    const answers: Answer[] = [];
    for (let round = 0; round < 20; round++)
      answers.push(...(await Promise.all(Array.from({ length: 5 }, (_, i) => ask(url, `user-${round * 5 + i}`)))));
    for (const { status, tookMs, error } of answers) {
      assert.ok((allowed as readonly number[]).includes(status), `${status} ${error}`);
      assert.ok(tookMs < TIMEOUT_MS + 500, `${tookMs} ms`);
    }
    assert.ok(answers.filter(({ status }) => status === 200).length >= 70, 'the other server answers most');

    if (signal === 'SIGSTOP') victim.child.process.kill('SIGCONT');
    else await local.restart(victim.name);
    await until(
      async () => (await standingOf(adminUrl, victim.name, url)) === 'healthy',
      'the server is healthy again',
    );
    const after = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(url, `user-${i}`)));
    assert.deepEqual([...new Set(after.map(({ status }) => status))], [200]);
    assert.equal(gateway.process.exitCode, null);
  });
}

test('with every server gone callers get 502 within the deadline, and answers again when one is back', async (t) => {
  const { local, url } = await setup(t);
  for (const { child } of local.servers) child.process.kill('SIGKILL');
  for (let i = 0; i < 20; i++) {
    const answer = await ask(url, `user-${i}`);
    assert.ok([502, 503].includes(answer.status), `${answer.status}`);
    assert.ok(answer.tookMs < TIMEOUT_MS + 500);
  }
  await local.restart(local.servers[0]?.name ?? '');
  await until(async () => (await ask(url, 'user-1')).status === 200, 'an answer');
});

test('SIGTERM under load loses no request during the grace and ends every process with 0', async (t) => {
  const { local, url, gateway } = await setup(t, 'config/policy.yaml', '2s');
  const statuses: number[] = [];
  const errors: string[] = [];
  let stopping = false;
  const caller = async (user: string) => {
    while (!stopping) {
      await ask(url, user).then(
        ({ status }) => statuses.push(status),
        (error) => errors.push(error.cause?.code ?? String(error)),
      );
    }
  };
  const callers = Array.from({ length: 10 }, (_, i) => caller(`user-${i}`));
  await sleep(300);
  const pids = [gateway.process.pid, ...local.servers.map(({ child }) => child.process.pid)];
  const stopped = local.stop();
  await sleep(500); // as a load balancer that saw the readiness go
  stopping = true;
  await Promise.all(callers);
  await stopped;
  assert.deepEqual([...new Set(statuses)], [200]);
  assert.ok(statuses.length > 50);
  assert.deepEqual(errors, []);
  assert.equal(await gateway.exited, 0);
  for (const { child } of local.servers) assert.equal(await child.exited, 0);
  for (const pid of pids) assert.equal(isRunning(pid ?? 0), false);
});

test('sluice start prints a curl line that works, and its end is the end of its children, even by SIGKILL', async (t) => {
  const ports = await freePorts(4);
  const text = readFileSync('config/policy.yaml', 'utf8')
    .replace(':9101', `:${ports[0]}`)
    .replace(':9102', `:${ports[1]}`);
  const file = policyFile(t, text);
  const args = [
    'start',
    '--policy',
    file,
    '--data',
    dirname(file),
    '--port',
    String(ports[2]),
    '--admin-port',
    String(ports[3]),
  ];
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    const start = new Child(args, { output: 'pipe' });
    undo(t, () => start.process.kill('SIGKILL'));
    let output = '';
    start.process.stdout?.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
    await until(() => output.includes('Ctrl-C'), 'the announcement');
    const curl = /curl -si (\S+) -H 'x-user-id: alice' -d @'(.+)'/.exec(output);
    assert.ok(curl, output);
    const response = await fetch(curl[1] ?? '', {
      method: 'POST',
      body: readFileSync(curl[2] ?? ''),
      headers: { 'x-user-id': 'alice' },
    });
    assert.equal(response.status, 200);
    const pids = treeOf(start.process.pid ?? 0);
    assert.equal(pids.length, 4); // itself, the gateway, two model servers
    start.process.kill(signal);
    assert.equal(await start.exited, signal === 'SIGINT' ? 0 : 'SIGKILL');
    await until(() => !pids.some(isRunning), 'every process ended');
    assert.ok((await Promise.all(ports.map(isFree))).every(Boolean));
  }
});

test('stopping ends a frozen server too, and a model server leaves nothing in the home folder', async (t) => {
  const home = folderOf(t, 'home');
  const server = new Child(['model-server', '--port', '0'], {
    output: 'pipe',
    env: { HOME: home, SLUICE_LOG_LEVEL: 'silent' },
  });
  undo(t, () => server.signal('SIGKILL'));
  const { url } = await server.listening;
  await until(async () => (await fetch(`${url}/v2/health/ready`)).ok, 'it is ready');
  assert.deepEqual(readdirSync(home), []);
  server.signal('SIGSTOP');
  assert.equal(await server.stop(500), 'SIGKILL');
});

test('sluice start with a file that went bad serves the last good copy, at its addresses, and says so', async (t) => {
  const ports = await freePorts(2);
  const good = readFileSync('config/policy.yaml', 'utf8')
    .replace(':9101', `:${ports[0]}`)
    .replace(':9102', `:${ports[1]}`);
  const file = policyFile(t, good);
  const args = ['start', '--policy', file, '--data', join(dirname(file), 'data'), '--port', '0', '--admin-port', '0'];
  const run = async () => {
    const start = new Child(args, { output: 'pipe' });
    undo(t, () => start.signal('SIGKILL'));
    let output = '';
    start.process.stdout?.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
    await until(() => output.includes('Ctrl-C'), 'the announcement');
    return { start, output };
  };
  assert.equal(await (await run()).start.stop(), 0);
  writeFileSync(file, good.replace(`:${ports[0]}`, ':9').replace('baseline: v1', 'baseline: v7'));
  const { start, output } = await run();
  assert.match(output, /last good copy is served:\n\S+:\d+:\d+ models\.digits\.baseline: no version "v7"/);
  const url = /gateway +(http\S+)/.exec(output)?.[1] ?? '';
  assert.equal((await ask(url, 'alice')).status, 200);
  assert.equal(await start.stop(), 0);
});

test('a missing or broken policy and a port in use end with one clear line, a code that is not 0, and no orphan', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  undo(t, () => taken.close());
  const port = String((taken.address() as { port: number }).port);
  const [a, b] = await freePorts(2);
  const inUse = readFileSync('config/policy.yaml', 'utf8').replace(':9101', `:${a}`).replace(':9102', `:${port}`);
  const free = readFileSync('config/policy.yaml', 'utf8').replace(':9101', `:${a}`).replace(':9102', `:${b}`);
  const broken = policyFile(t, 'apiVersion: sluice/v1\nfleet: {}\nmodels: {}\n');
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['gateway', '--policy', 'no-such.yaml'], /^sluice: no-such\.yaml: no such file\n$/],
    [['gateway', '--policy', broken], /^sluice: \S+policy\.yaml:3:9 models: expected at least one model\n$/],
    [['start', '--policy', broken], /^sluice: \S+policy\.yaml:3:9 models: expected at least one model\n$/],
    [
      ['gateway', '--port', port, '--admin-port', '0'],
      new RegExp(`^sluice: 127.0.0.1:${port} is in use by another process; .*--port\n$`),
    ],
    [
      ['gateway', '--port', '0', '--admin-port', port],
      new RegExp(`^sluice: 127.0.0.1:${port} is in use by another process; .*--admin-port\n$`),
    ],
    [
      ['model-server', '--port', port],
      new RegExp(`^sluice: 127.0.0.1:${port} is in use by another process; .*--port\n$`),
    ],
    [['model-server', '--models', 'no-such-folder'], /^sluice: .*no-such-folder.*\n$/],
    [
      ['start', '--policy', policyFile(t, inUse), '--port', '0', '--admin-port', '0'],
      new RegExp(`^sluice: 127.0.0.1:${port} is in use.*\n$`),
    ],
    [
      ['start', '--policy', policyFile(t, free), '--port', port, '--admin-port', '0'],
      new RegExp(`^sluice: 127.0.0.1:${port} is in use.*\n$`),
    ],
    [['gateway', '--prot', '1'], /^sluice: Unknown option '--prot'; --help lists the options\n$/],
    [['gateway', '--port', '99999'], /^sluice: --port: expected a port from 0 to 65535, got "99999"\n$/],
    [['gatway'], /^sluice: no command "gatway".*\n$/],
  ];
  for (const [args, message] of cases) {
    const child = new Child(args, { output: 'pipe', env: { SLUICE_LOG_LEVEL: 'warn' } });
    let output = '';
    child.process.stderr?.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
    child.process.stdout?.resume();
    const code = await child.exited;
    assert.ok(typeof code === 'number' && code > 0, `${args.join(' ')}: ${code}`);
    assert.match(output, message, args.join(' '));
  }
  assert.equal(await isFree(a ?? 0), true);
});

/** A real request now and then, so that a server due for a probe gets one. */
async function standingOf(adminUrl: string, name: string, url: string): Promise<string | undefined> {
  await ask(url, 'user-1');
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    fleet: Record<string, { standing: string }>;
  };
  return status.fleet[name]?.standing;
}
