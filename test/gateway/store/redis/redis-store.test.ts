import { randomUUID } from 'node:crypto';
import { LocalAudit } from '../../../../gateway/store/files/local-audit.ts';
import { LocalOrders } from '../../../../gateway/store/files/local-orders.ts';
import { LocalRollouts } from '../../../../gateway/store/files/local-rollouts.ts';
import { redisAddress } from '../../../../gateway/store/redis/address.ts';
import { openRedisStore } from '../../../../gateway/store/redis/redis-store.ts';
import { needs } from '../../../support/programs.ts';
import { redisServer } from '../../../support/redis.ts';
import { undo } from '../../../support/undo.ts';
import { storeSuite } from '../store.suite.ts';

const GIVEN = process.env.REDIS_URL;

storeSuite('a store in Redis', GIVEN === undefined ? needs('redis-server') : {}, async (t) => {
  const url = GIVEN ?? (await redisServer(t)).url;
  const store = await openRedisStore({
    address: redisAddress(url, undefined),
    prefix: `test-${randomUUID()}`,
    local: {
      rollouts: new LocalRollouts(undefined),
      orders: new LocalOrders(undefined),
      audit: new LocalAudit(undefined),
    },
  });
  undo(t, () => store.close());
  return store;
});
