// What befalls the gateway's own process: rows I1, I2, I4, I9, I11, I12 and, as far as plain processes go, I8. Others have homes
// of their own: I3 in stories/rollback, I6 in crash, I13 in gateway/conduct/replicas, I14 in soak/gateway, I15 in stories/main-job;
// of I16 the stall itself is what must not happen, and policy reloads, large bodies and bad bodies each have a test of that.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../gateway/cli/run/child.ts';
import { sluice } from '../gateway/cli/sluice.ts';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { infer, policyFile, policyOf } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { needsRoot } from '../support/small-disk.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

test('I1: a second SIGTERM ends a gateway at once, and one during its start ends it without a word too many', async (t) => {
  const server = await fakeServer(t, silent);
  const { url, child } = await gatewayProcess(t, policyOf([server.url], 'timeout: 20s'), ['--drain-grace', '20s']);
  const waiting = infer(url).catch(() => 'cut off');
  await until(() => server.seen.length === 1, 'a request in flight');
  child.signal('SIGTERM');
  await sleep(1200); // sooner it would be the same one, passed on twice
  const start = performance.now();
  child.signal('SIGTERM');
  assert.equal(await child.exited, 'SIGKILL');
  assert.ok(performance.now() - start < 2000);
  assert.equal(await waiting, 'cut off');

  const file = policyFile(t, policyOf([server.url]));
  const args = ['gateway', '--policy', file, '--data', join(dirname(file), 'data'), '--port', '0', '--admin-port', '0'];
  for (const after of [0, 100, 200, 400]) {
    const starting = new Child([...args, '--drain-grace', '0ms'], { output: 'pipe' });
    let told = '';
    starting.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    starting.process.stdout?.resume();
    await sleep(after);
    starting.signal('SIGTERM');
    assert.ok([0, 'SIGTERM'].includes(await starting.exited), `after ${after} ms`);
    assert.doesNotMatch(told, /Error|at /);
  }
});

test('I2: SIGHUP and a touched policy change nothing, and no request is lost', async (t) => {
  const server = await fakeServer(t, answering({ ok: true }));
  const { url, adminUrl, child } = await gatewayProcess(t, policyOf([server.url]));
  const since = async () => {
    const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
      policy: { file: string; sha256: string };
    };
    return status.policy;
  };
  const { file, sha256 } = await since();
  for (let i = 0; i < 20; i++) {
    child.signal('SIGHUP');
    utimesSync(file, new Date(), new Date());
    assert.equal((await infer(url)).status, 200);
    await sleep(20);
  }
  await sleep(300);
  assert.equal((await since()).sha256, sha256);
  assert.equal((await infer(url)).status, 200);
});

test('I4: what was waiting while the gateway was frozen is answered, and nothing is sent again late', async (t) => {
  const server = await fakeServer(t, (request, response) => {
    request.resume();
    setTimeout(() => response.end('{}'), 300);
  });
  const { url, child } = await gatewayProcess(t, policyOf([server.url], 'timeout: 500ms'));
  await (await infer(url)).text();
  const calls = Array.from({ length: 20 }, async () => (await infer(url)).status);
  await until(() => server.seen.length === 21, 'all of them at the server');
  child.signal('SIGSTOP');
  await sleep(2000);
  child.signal('SIGCONT');
  const statuses = await Promise.all(calls);
  assert.ok(
    statuses.every((status) => status === 200 || status === 504),
    `${statuses}`,
  );
  await sleep(300);
  assert.equal(server.seen.length, 21, 'no attempt was made after the deadline');
  assert.equal((await infer(url)).status, 200);
});

test('I9: with no CPU to spare deadlines hold, and no healthy server is left alone', async (t) => {
  const [quick, mute] = [await fakeServer(t, answering({ ok: true })), await fakeServer(t, silent)];
  const policy = `${policyOf([quick.url, mute.url]).replace('[s0, s1]', '[s0]')}  slow: { timeout: 300ms, versions: { v1: { servers: [s1] } }, baseline: v1 }\n`;
  const { url, adminUrl, child } = await gatewayProcess(t, policy);
  spawnBusy(t);
  spawn('renice', ['-n', '10', '-p', String(child.process.pid)], { stdio: 'ignore' });
  await (await infer(url)).text();
  const took = async (model: string) => {
    const start = performance.now();
    const response = await infer(url, {}, model);
    await response.arrayBuffer();
    return { status: response.status, ms: performance.now() - start };
  };
  const late = await Promise.all(Array.from({ length: 10 }, () => took('slow')));
  assert.ok(
    late.every(({ status, ms }) => status === 504 && ms < 5 * 300),
    JSON.stringify(late),
  );
  for (let i = 0; i < 50; i++) assert.equal((await took('m')).status, 200);
  const { fleet } = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    fleet: Record<string, { standing: string }>;
  };
  assert.equal(fleet.s0?.standing, 'healthy');
});

/** As many processes that want a core each as there are cores here, for as long as the test lasts. */
function spawnBusy(t: TestContext): void {
  const children = [1, 2].map(() => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
  undo(t, () => {
    for (const child of children) child.kill('SIGKILL');
  });
}

test('I8: with a heap of 64 MB large bodies are answered or refused, and the process lives', async (t) => {
  const server = await fakeServer(t, answering({ ok: true }));
  const { url, child } = await gatewayProcess(t, policyOf([server.url], 'timeout: 10s'), ['--body-limit', '8MiB'], {
    NODE_OPTIONS: '--max-old-space-size=64',
  });
  const body = Buffer.alloc(4 * 1024 * 1024, ' ');
  const statuses = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const response = await infer(url, { body }).catch(() => undefined);
      await response?.arrayBuffer();
      return response?.status;
    }),
  );
  assert.ok(
    statuses.every((status) => status === 200 || status === 503 || status === 429),
    `${statuses}`,
  );
  assert.ok(statuses.includes(200));
  assert.equal(child.process.exitCode, null);
  assert.equal((await infer(url)).status, 200);
});

test(
  'I11: on a read-only root, as nobody, without a home and without capabilities it serves and drains',
  needsRoot(),
  async (t) => {
    const server = await fakeServer(t, answering({ ok: true }));
    const folder = dirname(policyFile(t, policyOf([server.url])));
    // Where the checkout itself cannot be read by others, it runs as root, still without any capability.
    const id = isOpenToAll(process.cwd()) ? '65534' : '0';
    for (const [path, mode] of [
      [folder, 0o777],
      [join(folder, 'policy.yaml'), 0o644],
    ] as const)
      chmodSync(path, mode);
    const gateway = [
      process.execPath,
      join(process.cwd(), 'dist/gateway/main.js'),
      'gateway',
      '--policy',
      join(folder, 'policy.yaml'),
    ];
    const args = [
      ...gateway,
      '--data',
      join(folder, 'data'),
      '--port',
      '0',
      '--admin-port',
      '0',
      '--drain-grace',
      '0ms',
    ];
    const script = [
      'mount --bind "$1" "$1"',
      'mount -o remount,bind,ro /',
      'shift',
      `exec setpriv --reuid ${id} --regid ${id} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all env -i PATH="$PATH" "$@"`,
    ].join(' && ');
    const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', folder, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    undo(t, () => child.kill('SIGKILL'));
    let told = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        told += text;
      });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await until(() => /"msg":"gateway is serving"/.test(told) || child.exitCode !== null, 'a gateway that serves');
    const url = /"url":"(http[^"]+)"/.exec(told)?.[1];
    assert.ok(url !== undefined, told);
    assert.equal((await infer(url)).status, 200);
    child.kill('SIGTERM');
    assert.equal(await exited, 0, told);
  },
);

/** Whether everyone may read a folder and reach it. */
function isOpenToAll(folder: string): boolean {
  const isOpen = (statSync(folder).mode & 0o005) === 0o005;
  return isOpen && (folder === '/' || isOpenToAll(dirname(folder)));
}

test('I12: two listeners at one port end with one clear line', async (t) => {
  const [port] = await freePorts(1);
  const file = policyFile(t, policyOf(['http://127.0.0.1:9']));
  writeFileSync(join(dirname(file), 'unused'), '');
  const args = ['gateway', '--policy', file, '--data', join(dirname(file), 'data'), '--log-level', 'silent'];
  const { code, stderr } = await sluice([...args, '--port', String(port), '--admin-port', String(port)]);
  assert.ok(code > 0);
  assert.match(stderr, /^sluice: .*port.*\n$/);
});
