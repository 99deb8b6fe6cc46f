// What commands make of a server that answers something else, and of files that hold something else: one line, never a stack.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { adminClient } from '../../../../gateway/cli/ask/admin-client.ts';
import { readLabelled, readLabels, readLogged } from '../../../../gateway/cli/tune/trial-lines.ts';
import { UserError } from '../../../../gateway/errors.ts';
import { folderOf } from '../../../support/folder.ts';
import { undo } from '../../../support/undo.ts';
import { comparison } from '../../store/made.ts';

const FOREIGN = [
  '',
  'null',
  '[]',
  '{}',
  '7',
  '"text"',
  'no JSON',
  '{"version":"1"}',
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
];

test('an answer that is none of a gateway ends a command with one line', async (t) => {
  let body = '';
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    server.close();
    server.closeAllConnections();
  });
  const client = adminClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {});
  for (body of FOREIGN)
    for (const ask of [
      () => client.get('/api/status'),
      () => client.get('/api/comparisons'),
      () => client.get('/api/comparisons/summary'),
      () => client.post('/api/models/m/rollout/pause', {}),
    ])
      await assert.rejects(ask(), (error: Error) => error instanceof UserError && !error.message.includes('\n'), body);
});

test('labelled, logged and label files that hold something else are refused with their line', (t) => {
  const file = join(folderOf(t), 'lines');
  const broken = [
    ...FOREIGN,
    '{"id":"a","shadow":"s"}',
    JSON.stringify({ ...comparison('a'), baseline: null }),
    JSON.stringify({ ...comparison('a'), fields: [null] }),
    '{"id":"a","tiers":{"fast":null}}',
    '\u0000\u0001',
  ];
  for (const line of broken)
    for (const read of [readLabelled, readLabels, readLogged]) {
      writeFileSync(file, `${line}\n`);
      assert.throws(
        () => read(file),
        (error: Error) => error instanceof UserError && !error.message.includes('\n'),
        line,
      );
    }
  writeFileSync(file, `${JSON.stringify(comparison('a'))}\n`);
  assert.equal(readLogged(file).kind, 'comparisons');
});
