import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { compareBatch, textsIn } from '../../../gateway/compare/batch.ts';
import { compare } from '../../../gateway/compare/compare.ts';
import { keep, redact } from '../../../gateway/compare/keep.ts';
import { Packer, type Parcel, unpack } from '../../../gateway/compare/parcel.ts';
import type { CompareSpec } from '../../../gateway/compare/spec.ts';
import { summarise } from '../../../gateway/compare/summary.ts';
import type { Pair, Side } from '../../../gateway/flow.ts';
import { totalOf } from '../../../gateway/statistics/sums.ts';
import { binary, pair, probabilities, side, v2 } from './answers.ts';

const CLASSES: CompareSpec = { as: 'classification', output: 'probabilities' };
const good = side(v2(probabilities(0.1, 0.9), { name: 'label', datatype: 'INT64', shape: [1], data: [1] }));

function packed(pairs: readonly Pair[]): Parcel {
  const packer = new Packer();
  for (const each of pairs) packer.add(each);
  return packer.parcel();
}

test('two answers that differ make a comparison with everything but their bodies', () => {
  const candidate = side(v2(probabilities(0.8, 0.2), { name: 'label', datatype: 'INT64', shape: [1], data: [0] }), {
    server: 'cpu-b',
    latencyMs: 3.5,
    digest: 'sha256:ab',
  });
  const { unit, ...found } = compare(pair(good, candidate, { unit: 'ada', slices: { tier: 'fast' } }), CLASSES);
  assert.deepEqual(found, {
    id: 'r-1',
    model: 'digits',
    shadow: 'v2',
    at: 1_800_000_000_000,
    kind: 'different',
    slices: { tier: 'fast' },
    baseline: { version: 'v1', status: 200, server: 'cpu-a', latencyMs: 2, bytes: good.body.length, confidence: 0.9 },
    candidate: {
      version: 'v2',
      status: 200,
      server: 'cpu-b',
      latencyMs: 3.5,
      bytes: candidate.body.length,
      digest: 'sha256:ab',
      confidence: 0.8,
    },
    fields: [
      {
        field: 'probabilities',
        as: 'classification',
        same: false,
        distance: 0.7,
        rows: 1,
        flips: 1,
        cells: [['1', '0', 1]],
        maxDelta: 0.7,
      },
    ],
  });
  assert.match(unit ?? '', /^[0-9a-f]{16}$/);
});

const label = { name: 'label', datatype: 'INT64', shape: [1], data: [1] };
const classes: readonly [string, Side, Side, string, RegExp?][] = [
  ['the same', good, good, 'same'],
  [
    'binary beside JSON',
    side(v2(probabilities(0.25, 0.75))),
    binary(
      [{ name: 'probabilities', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }],
      Buffer.from(new Float32Array([0.25, 0.75]).buffer),
    ),
    'same',
  ],
  ['another shape', good, side(v2(probabilities(0.1, 0.2, 0.7), label)), 'shape', /\[1,2\] became \[1,3\]/],
  [
    'another rank',
    good,
    side(v2({ name: 'probabilities', datatype: 'FP32', shape: [2], data: [0.1, 0.9] }, label)),
    'shape',
  ],
  [
    'another datatype',
    good,
    side(v2({ name: 'probabilities', datatype: 'FP64', shape: [1, 2], data: [0.1, 0.9] }, label)),
    'datatype',
    /FP32 became FP64/,
  ],
  ['an output less', good, side(v2(probabilities(0.1, 0.9))), 'missing_output', /label/],
  ['an output more', side(v2(probabilities(0.1, 0.9))), good, 'extra_output', /label/],
  ['the output that is compared in neither', side(v2(label)), side(v2(label)), 'not_compared', /neither/],
  ['the same in another order', good, side(v2(label, probabilities(0.1, 0.9))), 'same'],
  ['half an answer', good, side(good.body.subarray(0, 50)), 'unreadable', /^candidate: /],
  [
    'a baseline that is no answer',
    side('hello', { contentType: 'application/json' }),
    good,
    'not_compared',
    /^baseline: /,
  ],
  ['a candidate that said 500', good, side('{"error":"x"}', { status: 500 }), 'candidate_error'],
  ['a candidate that said 400', good, side('{"error":"x"}', { status: 400 }), 'candidate_error'],
  ['a candidate that said nothing', good, side('', { status: 504, fault: 'deadline' }), 'candidate_error'],
  ['a baseline that failed', side('', { status: 502, fault: 'broken' }), good, 'baseline_error'],
  ['two that failed', side('', { status: 503 }), side('', { status: 500 }), 'both_error'],
];

for (const [name, baseline, candidate, kind, reason] of classes)
  test(`${name}: ${kind}`, () => {
    const found = compare(pair(baseline, candidate), CLASSES);
    assert.deepEqual([found.kind, found.fields.length > 0], [kind, kind === 'same' || kind === 'different']);
    if (reason !== undefined) assert.match(found.reason ?? '', reason);
  });

test('every output is compared when none is named', () => {
  const other = side(v2(probabilities(0.1, 0.9), { ...label, data: [0] }));
  const found = compare(pair(good, other), { as: 'classification' });
  assert.deepEqual(
    found.fields.map(({ field, same }) => [field, same]),
    [
      ['probabilities', true],
      ['label', false],
    ],
  );
});

test('JSON inside strings of an output is compared by its fields', () => {
  const text = (score: number) => ({ name: 'text', datatype: 'BYTES', shape: [1], data: [`{"score":${score}}`] });
  const found = compare(pair(side(v2(text(1))), side(v2(text(2)))), { as: 'json' });
  assert.deepEqual(
    found.fields.map(({ field }) => field),
    ['text.*.score'],
  );
  const bad = { name: 'text', datatype: 'BYTES', shape: [1], data: ['{'] };
  assert.equal(compare(pair(side(v2(text(1))), side(v2(bad))), { as: 'json' }).kind, 'unreadable');
  assert.equal(compare(pair(side(v2(bad)), side(v2(text(1)))), { as: 'json' }).kind, 'not_compared');
});

test('a body that differs as a whole is told as the body', () => {
  const events = (word: string) => side(`data: ${word}\n\n`, { contentType: 'text/event-stream' });
  const found = compare(pair(events('one'), events('two')), { as: 'json' });
  assert.deepEqual(
    found.fields.map(({ field }) => field),
    ['body'],
  );
});

test('a compressed body is compared by what is in it, within bounds', () => {
  const packed = (text: string, encoding = 'gzip') => side(gzipSync(text), { encoding });
  const spec: CompareSpec = { as: 'json' };
  assert.equal(compare(pair(packed('{"a":1}'), side('{"a":1}')), spec).kind, 'same');
  assert.equal(compare(pair(packed('{"a":1}'), side('{"a":2}')), spec).kind, 'different');
  for (const [odd, kind] of [
    [packed(' '.repeat(5 * 1024 * 1024)), 'not_compared'],
    [packed('{}', 'zstd'), 'not_compared'],
    [side('{}', { encoding: 'gzip' }), 'unreadable'],
  ] as const) {
    assert.equal(compare(pair(side('{}'), odd), spec).kind, kind);
    assert.equal(compare(pair(odd, side('{}')), spec).kind, 'not_compared', 'a baseline is charged to no one');
  }
});

test('a model’s own confidence goes before the highest probability', () => {
  const body = JSON.stringify({ parameters: { confidence: 0.4 }, outputs: [probabilities(0.1, 0.9)] });
  assert.equal(compare(pair(side(body), side(body)), CLASSES).baseline.confidence, 0.4);
});

test('whatever two answers say, comparing and counting them ends without a throw', () => {
  const value = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constantFrom(
      v2(label),
      '{"outputs":[{"name":"\\ud800","datatype":"BYTES","shape":[1],"data":["\\udfff"]}]}',
      '{"predictions":[1e308,1e308]}',
      '{"predictions":[-1e308,NaN]}',
    ),
  );
  const as = fc.constantFrom('classification', 'regression', 'ranking', 'embedding', 'text', 'json', 'exact' as const);
  const status = fc.constantFrom(200, 200, 200, 404, 500);
  fc.assert(
    fc.property(value, value, as, status, fc.option(value), (a, b, kind, code, again) => {
      const more: Partial<Pair> = again === null ? {} : { noise: side(again) };
      const specs = new Map([['digits/v2', { as: kind } as CompareSpec]]);
      const { records, deltas } = compareBatch([pair(side(a), side(b, { status: code }), more)], specs);
      assert.equal(records.count, 1);
      assert.equal(textsIn(records).length, 1);
      for (const { sums } of deltas) {
        for (const sum of sums.values()) assert.ok(Number.isFinite(sum));
        assert.equal(summarise(sums).pairs, 1);
      }
    }),
    { numRuns: 1500 },
  );
});

test('a parcel brings back every pair as it was', () => {
  const full = pair(
    side('a', { headerLength: 1, encoding: 'br', digest: 'd', fault: 'deadline', status: 504 }),
    side('', { contentType: '', server: '' }),
    {
      unit: 'ü',
      slices: { tier: 'fast' },
      noise: side('noise'),
      request: { body: Buffer.from('q'), headerLength: undefined },
    },
  );
  const pairs = [full, pair(side('b'), side('c'), { id: '' }), { ...full, noise: undefined }];
  const back = unpack(structuredClone(packed(pairs)));
  const plain = (made: readonly Pair[]) => JSON.parse(JSON.stringify(made));
  assert.deepEqual(plain(back), plain(pairs));
  assert.deepEqual(unpack(packed([])), []);
});

test('latencies of the same request are told in bands, from the fastest candidate to the slowest', () => {
  const took = [50, 50, 50.1, 49.9, 52, 52.5, 300];
  const pairs = took.map((latencyMs, i) => pair({ ...good, latencyMs: i === 0 ? 50.5 : 50 }, { ...good, latencyMs }));
  const { deltas } = compareBatch(pairs, new Map([['digits/v2', CLASSES]]));
  const bands = summarise(totalOf(deltas.map(({ sums }) => sums))).latency?.bands ?? [];
  assert.deepEqual(
    bands.map(({ fromMs, toMs, pairs: count }) => [fromMs, toMs, count]),
    [
      [-1, -0.3, 1],
      [-0.3, 0.3, 3],
      [0.3, 1, 0],
      [1, 3, 2],
      [3, 10, 0],
      [10, 30, 0],
      [30, 100, 0],
      [100, undefined, 1],
    ],
  );
});

test('summaries count what was compared: raw beside noise, fields by how much they matter, slices by their lower bound', () => {
  const flip = side(v2(probabilities(0.9, 0.1), label));
  const pairs = Array.from({ length: 200 }, (_, i) =>
    pair(good, i % 4 === 0 ? flip : good, {
      id: `r-${i}`,
      slices: { tier: i % 4 === 0 ? 'fast' : 'slow' },
      noise: i % 2 === 0 ? good : undefined,
    }),
  );
  pairs.push(pair(good, side('', { status: 500 })), pair(good, side('', { status: 504, fault: 'deadline' })));
  const { deltas } = compareBatch(pairs, new Map([['digits/v2', CLASSES]]));
  const summary = summarise(totalOf(deltas.map(({ sums }) => sums)));
  assert.deepEqual([summary.pairs, summary.kinds], [202, { candidate_error: 2, different: 50, same: 150 }]);
  assert.deepEqual(
    [summary.disagreement.count, summary.disagreement.of, summary.noise.count, summary.noise.of],
    [50, 200, 0, 100],
  );
  assert.equal(summary.beyondNoise, 'yes');
  assert.deepEqual(summary.candidateErrors, { '5xx': 1, deadline: 1 });
  const [field] = summary.fields;
  assert.deepEqual(
    [field?.field, field?.as, field?.raw.count, field?.noise.of],
    ['probabilities', 'classification', 50, 100],
  );
  assert.deepEqual(field?.classification?.flipped, [{ baseline: '1', candidate: '0', rows: 50 }]);
  assert.deepEqual(field?.classification?.agreed, { 1: 150 });
  assert.equal(field?.classification?.kappa, 0);
  assert.deepEqual(
    summary.slices.map(({ value, disagreement }) => [value, disagreement.count, disagreement.of]),
    [
      ['fast', 50, 50],
      ['slow', 0, 150],
    ],
  );
  assert.equal(summary.overflow, 0);
});

test('answers with ever new labels fill neither the sums nor the record', () => {
  const rows = 10_000;
  const labels = (from: number) =>
    side(
      v2({ name: 'label', datatype: 'INT64', shape: [rows], data: Array.from({ length: rows }, (_, i) => from + i) }),
    );
  const { records, deltas } = compareBatch(
    [pair(labels(0), labels(rows))],
    new Map([['digits/v2', { as: 'classification' }]]),
  );
  assert.ok(records.bytes.length < 5000);
  assert.ok((deltas[0]?.sums.size ?? 0) < 6500, `${deltas[0]?.sums.size} keys`);
  const { fields, disagreement } = summarise(deltas[0]?.sums ?? new Map());
  const [{ classification } = {}] = fields;
  assert.equal(classification?.kappa, undefined);
  assert.ok((classification?.unlisted ?? 0) > 0);
  assert.deepEqual([classification?.flips.count, disagreement.count], [rows, 1]);
});

test('flips beyond the bound still count against the label they were of', () => {
  // 100 labels, each taken for every other: 9,900 flips, and as often right.
  const labels = Array.from({ length: 100 }, (_, i) => i);
  const from = labels.flatMap((a) => labels.flatMap((b) => (a === b ? labels.map(() => a) : [a])));
  const to = labels.flatMap((a) => labels.flatMap((b) => (a === b ? labels.map(() => a) : [b])));
  const answer = (data: readonly number[]) =>
    side(v2({ name: 'label', datatype: 'INT64', shape: [data.length], data }));
  const { deltas } = compareBatch([pair(answer(from), answer(to))], new Map([['digits/v2', { as: 'classification' }]]));
  const [{ classification } = {}] = summarise(deltas[0]?.sums ?? new Map()).fields;
  assert.ok((classification?.flipped.length ?? 0) < 9900);
  assert.equal(classification?.flips.count, 9900);
  assert.deepEqual(new Set(Object.values(classification?.agreed ?? {})), new Set([100]));
  assert.ok(Math.abs((classification?.kappa ?? 0) - (10_000 / 19_900 - 0.01) / 0.99) < 1e-9);
});

test('outputs and their names, as many and as long as a server likes, make a short record and leave the rest countable', () => {
  const outputs = (last: number) =>
    Array.from({ length: 3000 }, (_, i) => ({
      name: `${i}-${'x'.repeat(400)}`,
      datatype: 'INT64',
      shape: [1],
      data: [i === 2999 ? last : 1],
    }));
  const made = pair(side(v2(...outputs(1))), side(v2(...outputs(2))));
  const { records, deltas } = compareBatch([made], new Map([['digits/v2', { as: 'exact' }]]));
  assert.ok(records.bytes.length < 20_000, `${records.bytes.length} bytes`);
  assert.equal(compare(made, { as: 'exact' }).kind, 'different', 'the last one differs');
  assert.equal(compare(made, { as: 'exact' }).fields.filter(({ same }) => !same).length, 1);
  assert.ok((deltas[0]?.sums.size ?? 0) < 1000);
  const missing = compare(pair(side(v2(...outputs(1))), side(v2())), { as: 'exact' });
  assert.ok((missing.reason?.length ?? 0) <= 120);
});

test('fields with ever new names are counted by name up to a bound, and together beyond it', () => {
  const answer = (i: number, value: number) => side(JSON.stringify({ [`key-${i}`]: value, same: 1 }));
  const pairs = Array.from({ length: 300 }, (_, i) => pair(answer(i, 1), answer(i, 2), { id: `r-${i}` }));
  const { deltas } = compareBatch(pairs, new Map([['digits/v2', { as: 'json' }]]));
  const { fields, otherFields, disagreement } = summarise(totalOf(deltas.map(({ sums }) => sums)));
  assert.deepEqual([disagreement.count, fields.length], [300, 64]);
  assert.deepEqual(otherFields, { compared: 236, differing: 236 });
});

test('only listed fields are kept, without what looks secret or personal, and the same pairs on every replica', () => {
  const body = JSON.stringify({
    text: 'call +49 170 1234567, ada@example.org',
    user: { password: 'hunter2', name: 'x'.repeat(500) },
    other: 'no',
  });
  const spec = { fields: ['text', 'user', 'user.password', 'absent'], requestFields: ['text'], sample: 1, ttlMs: 1 };
  const made = pair(side(body), side('not JSON'), { request: { body: Buffer.from(body) } });
  const kept = keep(made, spec);
  assert.deepEqual(kept?.baseline, {
    text: ['call +[redacted], [redacted]'],
    user: [{ password: '[redacted]', name: 'x'.repeat(256) }],
    'user.password': ['[redacted]'],
    absent: [],
  });
  assert.deepEqual([kept?.candidate, kept?.request], [{}, { text: ['call +[redacted], [redacted]'] }]);
  assert.doesNotMatch(JSON.stringify(kept), /hunter2|ada@|1234567/);
  assert.equal(redact('Bearer abc.def and eyJhbGciOiJIUzI1NiJ9.e30.x'), '[redacted] and [redacted]');
  assert.deepEqual(
    [4111111111111111, 12345678901234567890n, -441234567890, 99_999_999, 0.123456789012].map(redact),
    ['[redacted]', '[redacted]', '[redacted]', 99_999_999, 0.123456789012],
    'an account is one without quotes too',
  );
  const sampled = Array.from(
    { length: 2000 },
    (_, i) => keep({ ...made, id: `r-${i}` }, { ...spec, sample: 0.25 }) !== undefined,
  );
  const share = sampled.filter(Boolean).length / 2000;
  assert.ok(share > 0.2 && share < 0.3, `${share}`);
  assert.deepEqual(
    sampled,
    Array.from({ length: 2000 }, (_, i) => keep({ ...made, id: `r-${i}` }, { ...spec, sample: 0.25 }) !== undefined),
  );
  assert.equal(keep(made, { ...spec, sample: 0 }), undefined);
});
