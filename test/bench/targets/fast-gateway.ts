// fast-gateway as its README shows it, from the folder that it was installed into.
import { once } from 'node:events';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';

type Gateway = (options: { routes: readonly { prefix: string; target: string }[] }) => {
  start: (port: number, host: string) => Promise<Server>;
};

const [folder = '', target = ''] = process.argv.slice(2);
const gateway = createRequire(`${folder}/`)('fast-gateway') as Gateway;
const server = await gateway({ routes: [{ prefix: '/v2', target: `${target}/v2` }] }).start(0, '127.0.0.1');
if (!server.listening) await once(server, 'listening');
process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
process.on('disconnect', () => process.exit(0));
