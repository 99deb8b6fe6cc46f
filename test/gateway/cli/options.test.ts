import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpText } from '../../../gateway/cli/help.ts';
import { type OptionTable, parseOptions } from '../../../gateway/cli/options.ts';
import { UserError } from '../../../gateway/errors.ts';

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
