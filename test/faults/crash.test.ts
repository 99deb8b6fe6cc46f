// An error of ours that nothing catches (row I6): told, in-flight requests answered, exit code not 0.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Child } from '../../gateway/cli/child.ts';
import { fakeServer } from '../support/fake-server.ts';
import { infer, policyFile, policyOf } from '../support/gateway.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

/** Loaded before the gateway: plants an error that nothing catches, when a signal says so. */
const PLANT = {
  'an unhandled rejection': "Promise.reject(new Error('planted'))",
  'an uncaught exception': "setImmediate(() => { throw new Error('planted') })",
};

for (const [name, script] of Object.entries(PLANT)) {
  test(`I6: ${name} is told, what is in flight is answered, and the process exits 70`, async (t) => {
    const server = await fakeServer(t, (request, response) => {
      request.resume();
      setTimeout(() => response.writeHead(200, { 'content-length': 2 }).end('{}'), 800);
    });
    const file = policyFile(t, policyOf([server.url], 'timeout: 5s'));
    const plant = `data:text/javascript,process.on('SIGUSR2',()=>{${script}})`;
    const args = [
      '--policy',
      file,
      '--port',
      '0',
      '--admin-port',
      '0',
      '--data',
      `${file}.data`,
      '--drain-grace',
      '0ms',
    ];
    const child = new Child(['gateway', ...args], {
      env: { NODE_OPTIONS: `--import=${encodeURI(plant)}` },
      output: 'pipe',
    });
    undo(t, () => child.stop());
    let told = '';
    child.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    child.process.stdout?.resume();
    const { url } = await child.listening;
    const inFlight = infer(url);
    await until(() => server.seen.length === 1, 'a request in flight');
    child.signal('SIGUSR2');
    assert.equal((await inFlight).status, 200);
    assert.equal(await child.exited, 70);
    assert.match(told, /internal error[\s\S]*Error: planted/);
    await assert.rejects(infer(url), 'nothing listens any more');
  });
}
