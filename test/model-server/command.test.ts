import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MODEL_SERVER_OPTIONS } from '../../gateway/cli/run/model-server-options.ts';
import { sluice } from '../gateway/cli/sluice.ts';

test('sluice model-server --help names every option', async () => {
  const { code, stdout } = await sluice(['model-server', '--help']);
  assert.equal(code, 0);
  for (const [name, option] of Object.entries(MODEL_SERVER_OPTIONS)) {
    assert.ok(stdout.includes(`--${name}`), name);
    assert.ok(!('env' in option) || stdout.includes(option.env), name);
  }
});

const refusals: readonly [readonly string[], number, RegExp][] = [
  [['--providers', 'gpu'], 2, /--providers: expected some of cuda, tensorrt, webgpu, cpu, each once, got "gpu"/],
  [['--model-control', 'sometimes'], 2, /--model-control: expected one of fixed, poll, explicit, got "sometimes"/],
  [['--poll-interval', '5'], 2, /--poll-interval: expected a time with its unit/],
  [
    // No time to drain: nobody was sent to a server that was never ready.
    ['--providers', 'cuda,cpu', '--require-provider', '--drain-grace', '5m'],
    1,
    /^sluice: provider cuda is required: fell back to cpu, for cuda/m,
  ],
];

for (const [args, exit, message] of refusals) {
  test(`sluice model-server ${args.join(' ')} exits with ${exit} and says why`, async () => {
    const { code, stderr } = await sluice(['model-server', '--port', '0', '--log-level', 'silent', ...args]);
    assert.equal(code, exit);
    assert.match(stderr, message);
  });
}
