import { test } from 'node:test';
import { needs } from '../../../support/programs.ts';
import { freeze } from '../frozen.ts';

test('Redis frozen for 30 s under load costs nothing but time', needs('redis-server'), (t) => freeze(t, 30_000));
