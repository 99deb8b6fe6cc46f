// An error of ours that nothing catches (row I6): told, in-flight requests answered, exit code not 0.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeServer } from '../support/fake-server.ts';
import { infer, policyOf } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
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
    const plant = `data:text/javascript,process.on('SIGUSR2',()=>{${script}})`;
    const { url, child, told } = await gatewayProcess(t, policyOf([server.url], 'timeout: 5s'), [], {
      NODE_OPTIONS: `--import=${encodeURI(plant)}`,
    });
    const inFlight = infer(url);
    await until(() => server.seen.length === 1, 'a request in flight');
    child.signal('SIGUSR2');
    assert.equal((await inFlight).status, 200);
    assert.equal(await child.exited, 70);
    assert.match(told(), /internal error[\s\S]*Error: planted/);
    await assert.rejects(infer(url), 'nothing listens any more');
  });
}
