// keep-alive.test.ts with the idle time that Node's own server has.
import { test } from 'node:test';
import { losesNone } from './closing-server.ts';

test('no request is lost to a server that closes after 5000 ms of idleness and does not say so', (t) =>
  losesNone(t, { idleMs: 5000, says: false, waves: 20 }));
