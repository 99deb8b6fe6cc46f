// What people give to commands keeps every digit: labels, requests and the answers to them.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { requestFrom } from '../../../../gateway/cli/policy/request-arguments.ts';
import { partOf } from '../../../../gateway/cli/text/exact-json.ts';
import { answerIn } from '../../../../gateway/cli/tune/answer-in.ts';
import { readLabelled, readLabels, readLogged, writeTrials } from '../../../../gateway/cli/tune/trial-lines.ts';
import { NOTHING } from '../sluice.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-exact-'));
after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const LONG = '1234567890123456789';

test('a labelled request is sent as it is written, and its label keeps its digits', () => {
  const line = `{"request": {"inputs": [ {"name":"id","data":[${LONG}, 1.0, 1e3]} ]}, "label": ${LONG}}`;
  const [input] = readLabelled(fileOf('inputs', `${line}\n`));
  assert.deepEqual(input, {
    id: 'line-1',
    protocol: 'v2',
    request: `{"inputs":[{"name":"id","data":[${LONG},1.0,1e3]}]}`,
    headers: {},
    label: LONG,
  });
});

test('labels by request id keep their digits', () => {
  const labels = readLabels(fileOf('labels', `{"id":"a","label":${LONG}}\n{"id":"b","label":true}\n`));
  assert.deepEqual(
    [...labels],
    [
      ['a', LONG],
      ['b', 'true'],
    ],
  );
});

test('an answer of 19 digits is the label that it is', () => {
  const v2 = `{"outputs":[{"name":"y","datatype":"INT64","shape":[1],"data":[${LONG}]}]}`;
  assert.deepEqual(answerIn(Buffer.from(v2), 'y', false), { answer: LONG });
  assert.deepEqual(answerIn(Buffer.from(`{"predictions":[${LONG}]}`), 'y', false), { answer: LONG });
});

test('trials are read as they were written', () => {
  const trial = { id: 'a', label: LONG, start: undefined, tiers: new Map([['fast', { answer: LONG, latencyMs: 1 }]]) };
  const file = join(folder, 'trials');
  writeTrials(file, [trial]);
  const read = readLogged(file);
  assert.ok(read.kind === 'trials');
  assert.deepEqual(JSON.parse(JSON.stringify(read.trials)), JSON.parse(JSON.stringify([trial])));
  writeTrials(file, read.trials);
  assert.deepEqual(readLogged(file), read);
});

test('the body of a request file is explained as it is written', () => {
  const file = fileOf('request', `{"path":"digits","body": {"user": {"id": ${LONG} }, "t": "a \\" b"}}`);
  assert.equal(
    requestFrom({ ...NOTHING, file }, new Map()).facts.body.toString(),
    `{"user":{"id":${LONG}},"t":"a \\" b"}`,
  );
});

test('a part keeps its texts, whatever they hold, and loses the white space around its tokens', () => {
  assert.equal(partOf('{ "a" : [ 1 , "x \\\\" , "\\" ]" ] }', 'a'), '[1,"x \\\\","\\" ]"]');
  assert.equal(partOf('{"a":1}', 'b'), undefined);
});
