// Three redis-servers as one Cluster, without replicas, on loopback.
import type { TestContext } from 'node:test';
import { freePorts } from './free-ports.ts';
import { type RedisServer, type RedisServerOptions, redisServer } from './redis.ts';
import { until } from './until.ts';

const SLOTS = 16_384;

/** Starts a Cluster of three and waits until every node sees it whole. */
export async function redisCluster(t: TestContext, options: RedisServerOptions = {}): Promise<readonly RedisServer[]> {
  // Left to itself the bus port is the port + 10,000, which may not exist.
  const busPorts = await freePorts(3);
  const servers: RedisServer[] = [];
  for (const bus of busPorts)
    servers.push(
      await redisServer(t, {
        ...options,
        args: [
          ...['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000'],
          ...(options.args ?? []),
        ],
      }),
    );
  const clients = servers.map((server) => server.client());
  for (const [i, client] of clients.entries()) {
    const [first, last] = [i, i + 1].map((third) => Math.floor((third * SLOTS) / 3));
    await client.cluster('ADDSLOTSRANGE', first ?? 0, (last ?? SLOTS) - 1);
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
  }
  for (const [i, { port }] of servers.entries())
    await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPorts[i]));
  const isWhole = async () => {
    const infos = await Promise.all(clients.map((client) => client.cluster('INFO')));
    return infos.every((info) => info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3'));
  };
  await until(isWhole, 'a whole Cluster', 30_000);
  return servers;
}
