import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { schemaText } from '../gateway/cli/policy/schema.ts';

test('config/policy.schema.json is what the schema in the code generates (npm run schema rewrites it)', () => {
  assert.equal(readFileSync('config/policy.schema.json', 'utf8'), schemaText());
});
