// Ten thousand broken policies: what is known to be wrong is refused at its line, and nothing at all crashes or hangs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMap, isScalar, isSeq, type Node, type Pair, parseDocument } from 'yaml';
import { PolicyError, parsePolicy } from '../../../gateway/policy/load/load.ts';
import { RICH } from './rich-policy.ts';

const RUNS = { seed: 20_261_103, numRuns: 2500 };
const RANDOM_RUNS = { seed: 20_261_104, numRuns: 6000 };

/** A value of the rich policy, where it stands, and on which line a person looks for what it lacks. */
type Place = {
  readonly path: readonly (string | number)[];
  readonly from: number;
  readonly to: number;
  /** The text of a value that is no list and no map. */
  readonly leaf: string | undefined;
  readonly key: { readonly from: number; readonly to: number } | undefined;
  /** The line of the key of the map around it; undefined in an item of a list, and at the top. */
  readonly parentLine: number | undefined;
};

/** Keys below these are names that the file makes up. */
const NAMES = /^(fleet|models|versions|arms|ladder|header|parameter|body)$|^escalate\.below$/;

const PLACES = placesIn(parseDocument(RICH, { keepSourceTokens: true }).contents as Node);
const LEAVES = PLACES.filter(({ leaf }) => leaf !== undefined);
const KEYS = PLACES.filter(({ path, key }) => key !== undefined && !isNamed(path));
const KNOWN_KEYS = new Set(KEYS.map(({ path }) => String(path.at(-1))));

const REQUIRED =
  /^(apiVersion|fleet|models|.*\.(url|versions|baseline|servers|id|candidate|unit|steps|arms|share|up_to|sample|ladder|rules|use|high|path)|models\.[^.]+\.timeout|.*compare\.as|.*escalate\.(below|budget|confidence)|.*confidence\.output)$/;
const REFERENCE = /\.(baseline|candidate|use|no_signal|servers\.\d+|ladder\.\w+|shadow\.\d\.(version|model))$/;

test('a mistyped key is refused at its line', () => {
  const typo = fc.tuple(fc.constantFrom(...KEYS), fc.nat(), fc.constantFrom('drop', 'double', 'swap', 'add', 'case'));
  fc.assert(
    fc.property(typo, fc.constantFrom(...'aeiostx_-'), ([{ path, key }, at, how], letter) => {
      const word = String(path.at(-1));
      const wrong = mistype(word, at % word.length, how, letter);
      fc.pre(key !== undefined && wrong !== '' && !KNOWN_KEYS.has(wrong));
      const line = lineAt(key.from);
      assert.ok(linesRefused(replaced(key.from, key.to, wrong)).includes(line), `${path.join('.')} -> ${wrong}`);
    }),
    RUNS,
  );
});

test('a value of a wrong type or out of range is refused at its line', () => {
  const wrong = LEAVES.flatMap((place) => wrongValues(place).map((value) => [place, value] as const));
  assert.ok(wrong.length > 2000, `${wrong.length}`);
  for (const [{ path, from, to }, value] of wrong)
    assert.ok(linesRefused(replaced(from, to, value)).includes(lineAt(from)), `${path.join('.')} -> ${value}`);
});

test('a name that leads nowhere is refused at its line', () => {
  const references = LEAVES.filter(({ path }) => REFERENCE.test(path.join('.')));
  assert.ok(references.length > 20);
  fc.assert(
    fc.property(fc.constantFrom(...references), fc.stringMatching(/^[a-z]{6,12}$/), ({ path, from, to }, name) => {
      fc.pre(!RICH.includes(name));
      assert.deepEqual(
        linesRefused(replaced(from, to, name)).slice(0, 1),
        [lineAt(from)],
        `${path.join('.')} -> ${name}`,
      );
    }),
    { ...RUNS, numRuns: 1500 },
  );
});

test('a required key that is missing is told at the key above it; in a list and at the top at what is left', () => {
  const required = PLACES.filter(({ path, key }) => key !== undefined && REQUIRED.test(path.join('.')));
  assert.ok(required.length > 40);
  for (const { path, key, to, parentLine } of required) {
    if (key === undefined) continue;
    // Spaces in its place, so that every other line keeps its number.
    const end = to + (/^\s*,/.exec(RICH.slice(to))?.[0].length ?? 0);
    const blank = RICH.slice(key.from, end).replace(/[^\n]/g, ' ');
    const lines = linesRefused(replaced(key.from, end, blank));
    const line = parentLine ?? firstLineLeft(path, key.from);
    assert.ok(lines.includes(line), `${path.join('.')} is told at ${lines} and not at ${line}`);
  }
});

test('whatever is done to a policy, it is accepted or refused, and nothing else', () => {
  const change = fc.record({
    how: fc.constantFrom('cut', 'end', 'double line', 'move line', 'token', 'character', 'word'),
    at: fc.nat(RICH.length),
    length: fc.integer({ min: 1, max: 40 }),
    token: fc.constantFrom(...TOKENS),
    character: fc.string({ unit: 'binary', minLength: 1, maxLength: 2 }),
  });
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const text = changes.reduce((so_far, { how, at, length, token, character }) => {
        return mutated(so_far, how, at % (so_far.length + 1), length, how === 'token' ? token : character);
      }, RICH);
      const lines = linesRefused(text);
      if (lines.length === 0) accepted++;
      const last = text.split('\n').length;
      for (const line of lines) assert.ok(line >= 1 && line <= last, `line ${line} of ${last}`);
    }),
    RANDOM_RUNS,
  );
  assert.ok(accepted > 50 && accepted < RANDOM_RUNS.numRuns / 2, `${accepted} accepted`);
});

/** What is put in anywhere by chance. */
const TOKENS = [
  ...[
    '[',
    ']',
    '{',
    '}',
    ':',
    ': ',
    ',',
    '- ',
    '? ',
    '&a',
    '*a',
    '!!int ',
    '!x ',
    '|\n',
    '>\n',
    '# ',
    '---\n',
    '...\n',
  ],
  ...[
    '%YAML 1.1\n',
    '\t',
    '\n',
    ' ',
    '  ',
    '"',
    "'",
    '\\',
    '\0',
    '\r',
    '\ufeff',
    '<<: ',
    '__proto__: ',
    'constructor: ',
  ],
  ...['null', '~', 'true', '.inf', '.nan', '0x10', '1e400', '5%', '10m', 'v1', 'v2', 'x'.repeat(2000), '['.repeat(60)],
];

function mutated(text: string, how: string, at: number, length: number, put: string): string {
  const lines = text.split('\n');
  const line = text.slice(0, at).split('\n').length - 1;
  switch (how) {
    case 'cut':
      return text.slice(0, at) + text.slice(at + length);
    case 'end':
      return text.slice(0, at);
    case 'double line':
      return lines.toSpliced(line, 0, lines[line] ?? '').join('\n');
    case 'move line':
      return lines
        .toSpliced(line, 1)
        .toSpliced((line + length) % lines.length, 0, lines[line] ?? '')
        .join('\n');
    case 'word': {
      const words = text.match(/[\w.%-]+/g) ?? [];
      return text.slice(0, at) + text.slice(at).replace(/[\w.%-]+/, () => words[length % words.length] ?? '');
    }
    default:
      return text.slice(0, at) + put + text.slice(at + (how === 'character' ? 1 : 0));
  }
}

function mistype(word: string, at: number, how: string, letter: string): string {
  const [head, here, tail] = [word.slice(0, at), word[at] ?? '', word.slice(at + 1)];
  if (how === 'drop') return head + tail;
  if (how === 'double') return head + here + here + tail;
  if (how === 'swap') return head + (tail[0] ?? '') + here + tail.slice(1);
  if (how === 'case') return head + here.toUpperCase() + tail;
  return head + letter + here + tail;
}

/** Values that cannot stand where this one does, by the way it is written. */
function wrongValues({ path, leaf = '' }: Place): string[] {
  const never = [
    '[]',
    '{}',
    'null',
    '~',
    '.nan',
    '.inf',
    '-.inf',
    '1e400',
    '0x10',
    '0o10',
    '010',
    '+1',
    '!!binary aGk=',
  ];
  const name = path.join('.');
  // A condition's value may be any text, number or true and false.
  if (/(pins|when)\.(header|body|parameter)\.(?!.*(present|at_least)$)/.test(name)) return never;
  if (/^\d+%/.test(leaf)) return [...never, '101%', '-5%', '5', '0.05', '5 %', '5%%', '5.00001%', 'half', 'true'];
  if (/^\d+(ms|s|m|h|d)$/.test(leaf)) return [...never, '5', '-1s', '30d', '0s', '1e9h', '1h30m', 'no', '12:30', '1 s'];
  if (/^[\d.]+x$/.test(leaf)) return [...never, '1.5', '1x', '0.5x', '-2x', 'x', 'true'];
  if (/^\d+(B|KiB|MiB)$/.test(leaf)) return [...never, '16', '0B', '1.5B', '16MB', '-1KiB'];
  if (/^(true|false)$/.test(leaf)) return [...never, 'yes', 'no', 'on', '1', '"true"'];
  if (/^[\d.]+$/.test(leaf)) return [...never, '"4"', 'many', '4%', '12:30', '1_000', 'true', '[4]'];
  return [...never, '""', '5', 'true', '[a]', '{ a: b }'];
}

function replaced(from: number, to: number, by: string): string {
  return RICH.slice(0, from) + by + RICH.slice(to);
}

/** The lines of the mistakes; none when the policy is good. Fails on any other error than PolicyError. */
function linesRefused(text: string): number[] {
  try {
    parsePolicy(text, 'p');
    return [];
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return error.message.split('\n').map((line) => Number(/^p:(\d+):\d+ /.exec(line)?.[1]));
  }
}

function lineAt(offset: number): number {
  return RICH.slice(0, offset).split('\n').length;
}

/** Where the map begins once its key at an offset is gone: at its first key that is left. */
function firstLineLeft(path: Place['path'], gone: number): number {
  const around = path.slice(0, -1).join('.');
  const siblings = PLACES.filter((place) => place.path.slice(0, -1).join('.') === around);
  return lineAt(siblings.flatMap(({ key }) => (key && key.from !== gone ? [key.from] : []))[0] ?? gone);
}

function isNamed(path: Place['path']): boolean {
  return NAMES.test(String(path.at(-2))) || NAMES.test(path.slice(-3, -1).join('.'));
}

function placesIn(node: Node, path: Place['path'] = [], parentLine?: number): Place[] {
  if (isSeq(node)) return node.items.flatMap((item, i) => placeOf(item as Node, [...path, i], undefined, undefined));
  if (!isMap(node)) return [];
  return (node.items as Pair<Node, Node>[]).flatMap(({ key, value }) =>
    value === null ? [] : placeOf(value, [...path, String(key)], spanOf(key), parentLine),
  );
}

function placeOf(node: Node, path: Place['path'], key: Place['key'], parentLine: number | undefined): Place[] {
  const { from, to } = spanOf(node);
  const leaf = isScalar(node) ? RICH.slice(from, to) : undefined;
  const own = key === undefined ? undefined : lineAt(key.from);
  return [{ path, from, to, leaf, key, parentLine }, ...placesIn(node, path, own)];
}

function spanOf(node: Node): { from: number; to: number } {
  const [from, to] = node.range ?? [0, 0];
  return { from, to };
}
