// What commands say that ask a gateway, when what they were given is wrong, and how they end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADMIN_OPTIONS } from '../../../../gateway/cli/ask/admin-client.ts';
import { type OptionTable, parseOptions } from '../../../../gateway/cli/options.ts';
import { MODEL_SERVER_OPTIONS } from '../../../../gateway/cli/run/model-server-options.ts';
import { GATEWAY_COMMAND_OPTIONS } from '../../../../gateway/settings.ts';
import { scaleModel } from '../../../model-server/fixtures/models.ts';
import { startServer } from '../../../model-server/fixtures/server.ts';
import { answering, fakeServer } from '../../../support/fake-server.ts';
import { gateway, policyOf } from '../../../support/gateway.ts';
import { sluice } from '../sluice.ts';

/** Wrong for every kind but texts that may be anything. */
const WRONG = 'no such, thing';
const ANY_TEXT = ['policy', 'data', 'host', 'admin-host', 'redis-prefix', 'redis-ca', 'models', 'load'];

for (const [what, table] of Object.entries({ ADMIN_OPTIONS, GATEWAY_COMMAND_OPTIONS, MODEL_SERVER_OPTIONS }))
  test(`a wrong value of a variable is reported by the name of the variable: ${what}`, () => {
    for (const [name, option] of Object.entries<OptionTable[string]>(table)) {
      if (!('env' in option) || option.env === undefined || ANY_TEXT.includes(name)) continue;
      const { env } = option;
      assert.throws(
        () => parseOptions([], table, { [env]: WRONG }),
        ({ message }: Error) => message.startsWith(`${env}: `) && message.includes('no such'),
        name,
      );
      assert.throws(
        () => parseOptions([`--${name}`, WRONG], table, {}),
        ({ message }: Error) => message.startsWith(`--${name}: `),
        name,
      );
    }
  });

test('a command that is given the data listener says so, and what to name instead', async (t) => {
  const { url } = await gateway(t, policyOf([(await fakeServer(t, answering({}))).url]));
  const message = `this is the data listener of a gateway, which applications call; name the gateway's admin address with --admin or SLUICE_ADMIN (http://127.0.0.1:8081 unless it was started with --admin-port)`;
  for (const [args, path] of [
    [['status'], '/api/status'],
    [['comparisons'], '/api/comparisons'],
    [['comparisons', '--summary'], '/api/comparisons/summary'],
    [['rollback', 'm', '--reason', 'a test'], '/api/models/m/rollout/rollback'],
  ] as const) {
    const { code, stderr } = await sluice([...args, '--admin', url]);
    assert.equal(code, 1);
    assert.equal(stderr, `sluice: ${url}${path} answered 404: ${message}\n`);
  }
});

test('a command that is given a model server, or something else, says so', async (t) => {
  const { url } = await startServer(t, { 'm/1/model.onnx': scaleModel(2) });
  for (const args of [['status'], ['comparisons'], ['rollback', 'm', '--reason', 'a test']])
    assert.match(
      (await sluice([...args, '--admin', url])).stderr,
      /answered 404: this is a model server; name the gateway's admin address with --admin or SLUICE_ADMIN/,
    );
  const server = await fakeServer(t, answering({ name: 'triton' })); // answers everything alike
  assert.match(
    (await sluice(['status', '--admin', server.url])).stderr,
    /without "version": this is a model server; name/,
  );
  const other = await fakeServer(t, answering({ error: 7 }, 404));
  assert.match(
    (await sluice(['status', '--admin', other.url])).stderr,
    /answered 404: is this the admin address of a gateway of this release\? If not, name/,
  );
});

test('the help of an order lists the exit codes that it can have, and what its options are without a value', async () => {
  const helps = new Map<string, string>();
  for (const order of ['promote', 'pause', 'resume', 'rollback'])
    helps.set(order, (await sluice([order, '--help'])).stdout);
  for (const [order, help] of helps) {
    const codes = [...help.matchAll(/^ {2}(\d+) +\w/gm)].map(([, code]) => Number(code));
    assert.deepEqual(codes, ['pause', 'rollback'].includes(order) ? [0, 1, 2, 3, 70] : [0, 1, 2, 70], order);
    assert.match(help, /--reason <text> .*\(required\)/);
    assert.doesNotMatch(help, /no default/);
  }
});

test('an order without a reason is not sent', async () => {
  for (const [args, message] of [
    [[], /^sluice: missing --reason, why, for the audit trail; --help tells more\n$/],
    [['--reason', ' '], /^sluice: --reason: say why, in a few words for the audit trail\n$/],
  ] as const) {
    const { code, stderr } = await sluice(['pause', 'm', '--admin', 'http://127.0.0.1:1', ...args]);
    assert.equal(code, 2);
    assert.match(stderr, message);
  }
});
