// Settings beside what platforms put into the environment under the same names.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isInjected } from '../../../gateway/cli/injected.ts';
import { type OptionTable, parseOptions } from '../../../gateway/cli/options.ts';
import { MODEL_SERVER_OPTIONS } from '../../../gateway/cli/run/model-server-options.ts';
import { SETTING_NAMES, straySettings } from '../../../gateway/cli/stray-settings.ts';
import { GATEWAY_COMMAND_OPTIONS } from '../../../gateway/settings.ts';
import { type ServiceLink, serviceVariables } from '../../support/kubelet.ts';
import { trackedFiles } from '../../support/tracked-files.ts';

/** Docker's variables of a container that is linked by this name (docs.docker.com, "Legacy container links"). */
function linkVariables(alias: string): Record<string, string> {
  return {
    [`${alias}_NAME`]: `/web/${alias.toLowerCase()}`,
    [`${alias}_PORT`]: 'tcp://172.17.0.5:8080',
    [`${alias}_PORT_8080_TCP`]: 'tcp://172.17.0.5:8080',
    [`${alias}_PORT_8080_TCP_PROTO`]: 'tcp',
    [`${alias}_PORT_8080_TCP_PORT`]: '8080',
    [`${alias}_PORT_8080_TCP_ADDR`]: '172.17.0.5',
    [`${alias}_ENV_NODE_VERSION`]: '24.1.0',
    [`${alias}_ENV_SLUICE_PORT`]: '8080',
  };
}

/** Every name of a Service or a link whose variables could be taken for a setting: each beginning of each setting's name. */
const PREFIXES = [
  ...new Set(
    [...SETTING_NAMES].flatMap((name) => {
      const words = name.split('_');
      return words.map((_, i) => words.slice(0, i + 1).join('_'));
    }),
  ),
];

function everyInjected(): Record<string, string> {
  const services = PREFIXES.map((prefix, i): ServiceLink => {
    const name = prefix.toLowerCase().replaceAll('_', '-');
    const address = `10.96.1.${i + 1}`;
    return {
      name,
      address,
      ports: [
        { name: 'http', port: 80 },
        { name: 'admin', port: 8081 },
        { port: 53, protocol: 'UDP' },
      ],
    };
  });
  return Object.assign({}, ...PREFIXES.map(linkVariables), serviceVariables(services));
}

test('what Kubernetes and Docker set for Services and links of any name changes no setting', () => {
  const env = everyInjected();
  assert.ok('SLUICE_PORT' in env && 'SLUICE_ADMIN_PORT' in env && 'SLUICE_MODEL_SERVER_PORT' in env);
  for (const table of [GATEWAY_COMMAND_OPTIONS, MODEL_SERVER_OPTIONS] as readonly OptionTable[])
    assert.deepEqual(parseOptions([], table, env), parseOptions([], table, {}));
});

test('only the settings whose place was taken are reported, with the value and what to do', () => {
  const sentences = straySettings(everyInjected());
  assert.deepEqual(
    sentences.map((sentence) => sentence.split('=')[0]),
    [...new Set(sentences.map((sentence) => sentence.split('=')[0]))],
  );
  assert.deepEqual(sentences.map((sentence) => sentence.split('=')[0] ?? '').sort(), [
    'SLUICE_ADMIN_PORT',
    'SLUICE_MODEL_SERVER_PORT',
    'SLUICE_PORT',
  ]);
  for (const sentence of sentences)
    assert.match(
      sentence,
      /^SLUICE_\w+=tcp:\/\/10\.\S+ is ignored: it comes from a Kubernetes Service or a Docker link/,
    );
});

test('no setting has a name that is injected whatever it holds', () => {
  for (const name of SETTING_NAMES)
    for (const value of ['8080', 'x', '10.0.0.7']) assert.ok(!isInjected(name, value), name);
});

test('a port that somebody wrote is taken, and one that is no port is still refused', () => {
  const port = (SLUICE_PORT: string) => {
    const parsed = parseOptions([], GATEWAY_COMMAND_OPTIONS, { SLUICE_PORT });
    return parsed.help ? undefined : parsed.values.port;
  };
  assert.equal(port('9000'), 9000);
  assert.equal(port(''), 8080);
  for (const value of ['http://10.0.0.7:8080', '10.0.0.7:8080', 'tcp://', 'tcp', '8080x'])
    assert.throws(() => port(value), /SLUICE_PORT: expected a port/, value);
});

test('a mistyped setting is reported with the one that was meant, and never with its value', () => {
  assert.deepEqual(
    straySettings({ SLUICE_DRIAN_GRACE: '5s', SLUICE_ADMIN_TOKN: 'secret', SLUICE_HOST: '::1', PATH: '/bin' }),
    [
      'SLUICE_DRIAN_GRACE is ignored: there is no such setting; did you mean "SLUICE_DRAIN_GRACE"?',
      'SLUICE_ADMIN_TOKN is ignored: there is no such setting; did you mean "SLUICE_ADMIN_TOKEN"?',
    ],
  );
  assert.deepEqual(straySettings({ SLUICE_REDIS_URL: 'redis://:secret@r' }), [
    'SLUICE_REDIS_URL is ignored: there is no such setting; did you mean "REDIS_URL"?',
  ]);
  assert.deepEqual(straySettings({ SLUICE_ADMN_PORT: '8081' }), [
    'SLUICE_ADMN_PORT is ignored: there is no such setting; did you mean "SLUICE_ADMIN_PORT"?',
  ]);
});

/** test/faults/framing.test.ts reads it, and no command. */
const OF_A_TEST = 'SLUICE_GRID';

test('every setting that a document or a file of deploy/ names exists', () => {
  const files = trackedFiles().filter((file) => /^(deploy\/|.*\.md$)/.test(file));
  assert.ok(files.includes('deploy/Dockerfile') && files.includes('README.md'));
  for (const file of files)
    for (const [name] of readFileSync(file, 'utf8').matchAll(/\bSLUICE_[A-Z_]+\b/g))
      assert.ok(SETTING_NAMES.has(name) || name === OF_A_TEST, `${file} names ${name}`);
});
