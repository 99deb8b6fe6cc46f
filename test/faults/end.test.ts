// The end of a process, whatever stands around it: a log that nobody reads, and a container whose first process it is.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Listening } from '../../gateway/cli/run/lifecycle.ts';
import { answering, fakeServer, silent } from '../support/fake-server.ts';
import { folderOf } from '../support/folder.ts';
import { fullPipe } from '../support/full-pipe.ts';
import { infer, policyFile, policyOf } from '../support/gateway.ts';
import { needs } from '../support/programs.ts';
import { CAN_MOUNT, fill, smallDisk } from '../support/small-disk.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const MAIN = join(process.cwd(), 'dist/gateway/main.js');

type Server = Listening & {
  readonly child: ChildProcess;
  readonly ended: Promise<number | NodeJS.Signals>;
};

/** Starts `sluice` with these outputs; resolves once it listens. */
async function start(t: TestContext, args: readonly string[], output: number | 'ignore'): Promise<Server> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', output, output, 'ipc'] });
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  undo(t, () => {
    child.kill('SIGKILL');
    return ended;
  });
  const [listening] = (await once(child, 'message')) as [Listening];
  return { child, ended, ...listening };
}

function gatewayArgs(t: TestContext, policy: string, ...more: readonly string[]): string[] {
  const file = policyFile(t, policy);
  const where = ['--port', '0', '--admin-port', '0', '--data', join(dirname(file), 'data')];
  return ['gateway', '--policy', file, ...where, '--drain-grace', '0ms', ...more];
}

const MODEL_SERVER = ['model-server', '--port', '0', '--models', 'config/models'];

test('a gateway whose log nobody reads answers, and ends with 0 on SIGTERM', async (t) => {
  const server = await fakeServer(t, answering({ ok: true }));
  const { fd } = fullPipe(t);
  const { child, ended, url = '' } = await start(t, gatewayArgs(t, policyOf([server.url]), '--log-level', 'trace'), fd);
  for (let i = 0; i < 20; i++) assert.equal((await infer(url)).status, 200);
  const sent = performance.now();
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  assert.ok(performance.now() - sent < 5000);
});

test('a gateway whose log nobody reads ends at once on a second SIGTERM', async (t) => {
  const server = await fakeServer(t, silent);
  const { fd } = fullPipe(t);
  const args = gatewayArgs(t, policyOf([server.url], 'timeout: 20s'), '--log-level', 'trace');
  const { child, ended, url } = await start(t, args, fd);
  void infer(url).catch(() => undefined);
  await until(() => server.seen.length === 1, 'a request in flight');
  child.kill('SIGTERM');
  await sleep(1200); // sooner it would be the same one, passed on twice
  const sent = performance.now();
  child.kill('SIGTERM');
  assert.equal(await ended, 'SIGKILL');
  assert.ok(performance.now() - sent < 2000);
});

test('a model server whose log nobody reads becomes ready, and ends with 0 on SIGTERM', async (t) => {
  const { fd } = fullPipe(t);
  const { child, ended, url } = await start(t, [...MODEL_SERVER, '--log-level', 'trace'], fd);
  await until(async () => (await fetch(`${url}/v2/health/ready`)).ok, 'readiness');
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
});

/** Logs 20,000 lines of 200 bytes at once, then a line a tenth of a second; says on IPC how much waits and what was dropped. */
const TALKER = `
  const { createLog } = await import(process.argv[1]);
  const { log, dropped } = createLog('info', 'talker');
  for (let i = 0; i < 20000; i++) log.info({ i }, 'x'.repeat(100));
  setInterval(() => process.send({ waiting: process.stdout.writableLength, dropped: dropped() }), 20);
`;

test('log lines that nobody reads are bounded, counted, and reported when they are read again', async (t) => {
  const pipe = fullPipe(t);
  const module = join(process.cwd(), 'dist/gateway/observe/log.js');
  const child = spawn(process.execPath, ['--input-type=module', '-e', TALKER, module], {
    stdio: ['ignore', pipe.fd, 'inherit', 'ipc'],
  });
  undo(t, () => child.kill('SIGKILL'));
  const told = async () => (await once(child, 'message'))[0] as { waiting: number; dropped: number };
  const { waiting, dropped } = await told();
  assert.ok(waiting > 512 * 1024 && waiting <= 1024 * 1024, String(waiting));
  assert.ok(dropped > 1000, String(dropped));
  let text = '';
  await until(() => {
    text += pipe.read();
    return text.includes('"dropped"');
  }, 'the line about the others');
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { i?: number; dropped?: number });
  assert.deepEqual(
    lines.map(({ i }) => i),
    [...Array.from({ length: 20_000 - dropped }, (_, i) => i), undefined],
  );
  assert.equal(lines.at(-1)?.dropped, dropped);
});

test('a gateway whose log is on a full disk answers, goes on logging when there is room, and ends with 0', {
  skip: CAN_MOUNT ? false : 'mounting takes root',
}, async (t) => {
  const server = await fakeServer(t, answering({ ok: true }));
  const disk = smallDisk(t, '1m');
  const [file, other] = [join(disk, 'log'), join(disk, 'other')];
  const fd = openSync(file, 'a');
  fill(other);
  const { child, ended, url, adminUrl } = await start(t, gatewayArgs(t, policyOf([server.url])), fd);
  closeSync(fd);
  assert.equal((await infer(url)).status, 200);
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  const dropped = Number(/^sluice_log_lines_dropped_total (\d+)/m.exec(metrics)?.[1]);
  assert.ok(dropped > 0);
  rmSync(other);
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['gateway is draining', 'log lines were dropped, because standard output did not take them', 'gateway has drained'],
  );
  assert.equal(lines[1]?.dropped, dropped);
});

test('a gateway whose terminal is gone answers, and ends on SIGTERM', needs('script'), async (t) => {
  const server = await fakeServer(t, answering({ error: 'no' }, 500));
  const screen = join(folderOf(t, 'terminal'), 'screen');
  const args = gatewayArgs(t, policyOf([server.url]), '--log-level', 'trace');
  const command = `exec ${[process.execPath, MAIN, ...args].join(' ')}`;
  const terminal = spawn('script', ['-qfc', command, screen], { stdio: 'ignore' });
  undo(t, () => terminal.kill('SIGKILL'));
  const url = () => (existsSync(screen) ? /"url":"(http[^"]+)"/.exec(readFileSync(screen, 'utf8'))?.[1] : undefined);
  await until(() => url() !== undefined, 'a gateway that serves');
  const pid = Number(readFileSync(`/proc/${terminal.pid}/task/${terminal.pid}/children`, 'utf8'));
  undo(t, () => existsSync(`/proc/${pid}`) && process.kill(pid, 'SIGKILL'));
  const gone = once(terminal, 'exit');
  terminal.kill('SIGKILL');
  await gone;
  for (let i = 0; i < 3; i++) {
    assert.equal((await infer(url() ?? '')).status, 502); // a failure is a line of the log
    await sleep(500);
  }
  process.kill(pid, 'SIGTERM');
  await until(() => !existsSync(`/proc/${pid}`), 'its end');
});

/** Starts a gateway as the first process of a container: number 1 of a process namespace of its own. */
async function startFirst(t: TestContext, args: readonly string[]) {
  const enter = ['--pid', '--fork', '--kill-child'];
  const child = spawn('unshare', [...enter, process.execPath, MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  undo(t, () => {
    child.kill('SIGKILL');
    return ended;
  });
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  const children = () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
  await until(() => children() !== '', 'the process');
  const url = () => /"url":"(http[^"]+)"/.exec(told)?.[1];
  const signal = (name: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null && children() !== '')
      process.kill(Number(children()), name);
  };
  return { ended, url, signal };
}

const asRoot = { skip: needs('unshare').skip || (CAN_MOUNT ? false : 'a process namespace takes root') };

test(
  'the first process of a container ends on SIGTERM during its start, and at once on a second one',
  asRoot,
  async (t) => {
    const server = await fakeServer(t, silent);
    const args = gatewayArgs(t, policyOf([server.url], 'timeout: 20s'));
    const starting = await startFirst(t, args);
    // What comes before our first line of code is lost, by Linux and by Node.
    const again = setInterval(() => starting.signal('SIGTERM'), 20);
    undo(t, () => clearInterval(again));
    void starting.ended.then(() => clearInterval(again));
    assert.equal(await starting.ended, 143);
    assert.equal(starting.url(), undefined, 'it has not begun to serve');
    const { url, ended, signal } = await startFirst(t, args);
    await until(() => url() !== undefined, 'a gateway that serves');
    void infer(url() ?? '').catch(() => undefined);
    await until(() => server.seen.length === 1, 'a request in flight');
    signal('SIGTERM');
    await sleep(1200);
    const sent = performance.now();
    signal('SIGTERM');
    assert.equal(await ended, 137);
    assert.ok(performance.now() - sent < 2000);
  },
);
