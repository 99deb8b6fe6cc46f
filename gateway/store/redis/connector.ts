// Opens the sockets to Redis. A client that tries its nodes in turn says only that none could be used; what went wrong with the
// socket, a certificate say, is heard here.
import { connect as connectPlain, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectSecure, type PeerCertificate } from 'node:tls';
import { AbstractConnector, type RedisOptions } from 'ioredis';

/** A connector for ioredis that reports errors of its sockets. */
export function connectorThat(onError: (error: Error) => void): NonNullable<RedisOptions['Connector']> {
  return class ReportingConnector extends AbstractConnector {
    readonly #options: RedisOptions;

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout ?? 2000);
      this.#options = options as RedisOptions;
    }

    async connect(): Promise<Socket> {
      this.connecting = true;
      await new Promise((resolve) => process.nextTick(resolve));
      if (!this.connecting) throw new Error('Connection is closed.');
      const { host = '127.0.0.1', port = 6379, tls } = this.#options;
      const socket = tls === undefined ? connectPlain({ host, port }) : connectSecure({ host, port, ...tls });
      this.stream = socket;
      socket.once('error', (error) => {
        this.firstError = error;
        onError(error);
      });
      return socket;
    }
  };
}

/**
 * Accepts a certificate for the name that is dialled, or for one that REDIS_URL names: nodes of a Cluster and what sentinels
 * name are dialled by their addresses, and their certificates are often for names.
 */
export function identityOf(names: readonly string[]) {
  return (dialled: string, certificate: PeerCertificate): Error | undefined => {
    const refused = checkServerIdentity(dialled, certificate);
    const isNamed = names.some((name) => checkServerIdentity(name, certificate) === undefined);
    return isNamed ? undefined : refused;
  };
}
