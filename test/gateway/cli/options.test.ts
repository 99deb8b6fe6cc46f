import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpText } from '../../../gateway/cli/help.ts';
import { type OptionTable, parseOptions } from '../../../gateway/cli/options.ts';
import { UserError } from '../../../gateway/errors.ts';
import { duration } from '../../../gateway/policy/units.ts';

const TABLE = {
  url: { kind: 'positional', after: 'curl', help: 'where to' },
  file: { kind: 'positional', default: 'a.yaml', env: 'SLUICE_FILE', help: 'what' },
  header: { kind: 'list', short: 'H', help: 'a header' },
  port: { kind: 'port', env: 'SLUICE_PORT', default: 8080, help: 'its port' },
  random: { kind: 'fraction', help: 'the draw' },
  json: { kind: 'flag', short: 'j', help: 'as JSON' },
  silent: { kind: 'ignored', short: 's' },
  output: { kind: 'ignored', short: 'o', takesValue: true },
} as const satisfies OptionTable;

function values(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const parsed = parseOptions(argv, TABLE, env);
  assert.ok(!parsed.help);
  return parsed.values;
}

const GOOD: readonly (readonly [string, readonly string[], Partial<ReturnType<typeof values>>])[] = [
  ['defaults', ['u'], { url: 'u', file: 'a.yaml', header: [], port: 8080, random: undefined, json: false }],
  ['positionals in order, flags between them', ['u', '--json', 'f'], { url: 'u', file: 'f', json: true }],
  ['a lead-in word', ['curl', 'u'], { url: 'u', file: 'a.yaml' }],
  ['a lead-in word that is all there is', ['curl'], { url: 'curl' }],
  ['a list', ['-H', 'a: 1', 'u', '--header', 'b: 2', '-Hc: 3'], { header: ['a: 1', 'b: 2', 'c: 3'] }],
  ['grouped short flags', ['-sj', 'u'], { json: true, silent: undefined }],
  ['an ignored option with its value', ['-o', 'x', 'u'], { url: 'u', file: 'a.yaml' }],
  ['a fraction', ['u', '--random', '.42'], { random: 0.42 }],
  ['a word that looks like a flag', ['--', '-u'], { url: '-u' }],
];

for (const [name, argv, expected] of GOOD)
  test(`reads ${name}`, () => {
    const read = values(argv);
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(read[key as keyof typeof read], value, key);
  });

test('an environment variable stands in for a flag and for a positional', () => {
  const read = values(['u'], { SLUICE_PORT: '1', SLUICE_FILE: 'b.yaml' });
  assert.deepEqual([read.port, read.file], [1, 'b.yaml']);
});

const BAD: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /^missing URL, where to/],
  [['u', 'f', 'more'], /^unexpected argument "more"/],
  [['u', '--nope'], /^Unknown option '--nope'; --help lists/],
  [['u', '-H'], /argument missing/],
  [['u', '--random', '1'], /^--random: expected a number from 0/],
  [['u', '--random', 'x'], /^--random: expected/],
  [['u', '--port', '70000'], /^--port: expected a port/],
];

for (const [argv, message] of BAD)
  test(`refuses ${JSON.stringify(argv)} in one line with exit code 2`, () => {
    assert.throws(
      () => values(argv),
      (error) =>
        error instanceof UserError && error.exitCode === 2 && message.test(error.message) && !/\n/.test(error.message),
    );
  });

test('the help shows every argument and option, and what is ignored on a line of its own', () => {
  const help = helpText('sluice x [options]', 'Does x.', TABLE);
  assert.match(help, /^Usage: sluice x \[options\] URL \[FILE\]\n/);
  for (const shown of [
    /^ {2}URL /m,
    /^ {2}-H, --header <text> .*may be repeated/m,
    /^ {6}--port <port>/m,
    /default 8080/,
  ])
    assert.match(help, shown);
  assert.match(help, /Accepted and ignored: -s\/--silent -o\/--output\n$/);
});

test('--help wins over a missing argument', () => {
  assert.deepEqual(parseOptions(['--help'], TABLE, {}), { help: true });
});

const AMOUNTS = {
  grace: { kind: 'milliseconds', env: 'SLUICE_GRACE', default: 5000, help: 'a time' },
  size: { kind: 'bytes', default: 1, help: 'a size' },
  count: { kind: 'count', default: 1, help: 'a number' },
} as const satisfies OptionTable;

test('times and sizes are written as in the policy, with decimals too; whole numbers are whole', () => {
  const read = (argv: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const parsed = parseOptions(argv, AMOUNTS, env);
    assert.ok(!parsed.help);
    return parsed.values;
  };
  const times = {
    '0.2s': 200,
    '1.5s': 1500,
    '1.1s': 1100,
    '250ms': 250,
    '0ms': 0,
    '0.5m': 30_000,
    '1h': 3_600_000,
    '5 s': 5000,
  };
  for (const [text, ms] of Object.entries(times)) {
    assert.equal(read(['--grace', text]).grace, ms, text);
    assert.equal(read([], { SLUICE_GRACE: text }).grace, ms, text);
    if (ms > 0 && !text.includes(' ')) assert.equal(duration.parse(text), ms, text);
  }
  for (const [text, size] of Object.entries({ '1.5GiB': 1_610_612_736, '16MiB': 16_777_216, '512': 512, '7B': 7 }))
    assert.equal(read(['--size', text]).size, size, text);
  for (const argv of [
    ['--grace', '5'],
    ['--grace', '.2s'],
    ['--grace=-1s'],
    ['--grace', '1e3ms'],
    ['--grace', '1.5.0s'],
    ['--grace', '61m'],
    ['--grace', '5S'],
    ['--size', '0.1KiB'],
    ['--size', '3GiB'],
    ['--count', '1.5'],
    ['--count', '0x10'],
  ])
    assert.throws(() => read(argv), /expected a/, argv.join(' '));
});
