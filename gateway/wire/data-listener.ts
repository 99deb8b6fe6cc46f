// The listener that applications call, connected to the conductors.
import type { FastifyInstance } from 'fastify';
import type { Tiering } from '../conduct/ladders.ts';
import { type PerRequestDeps, perRequest, perStream } from '../conduct/per-request.ts';
import { send } from '../forward/send.ts';
import { stream } from '../forward/stream.ts';
import { createRecorder } from '../observe/record.ts';
import type { PolicyInForce } from '../policy/load/in-force.ts';
import type { Version } from '../policy/policy.ts';
import { createListener, type ListenerOptions } from '../receive/http/listener.ts';
import { addRoutes, DATA_PATHS } from '../receive/http/routes.ts';
import type { GatewaySettings } from '../settings.ts';
import { createExposer } from '../store/expose.ts';
import { VERSION } from '../version.ts';
import type { Parts } from './parts.ts';

/** What a listener is opened with. */
export type Open = {
  readonly settings: GatewaySettings;
  readonly inForce: PolicyInForce;
  readonly parts: Parts;
  readonly tiering: Tiering;
  /** Of both listeners. */
  readonly common: Pick<ListenerOptions, 'limits' | 'trustedProxies' | 'isDraining' | 'onBug'>;
};

export function createDataListener({ common, inForce, parts, tiering }: Open): FastifyInstance {
  const { limits, isDraining } = common;
  const data = createListener({ ...common, paths: DATA_PATHS, onRefused: parts.metrics.refused });
  const deps = conductorsOf(parts, tiering);
  addRoutes(data, {
    serve: (facts, onLeave) => perRequest(deps(), facts, onLeave),
    stream: (facts, path, streams, onLeave) => perStream(deps(), facts, path, streams, onLeave),
    prefixes: () => inForce.policy.prefixes,
    bodyLimit: limits.bodyLimit,
    answerTimeoutMs: limits.answerTimeoutMs,
    overload: parts.overload,
    answers: parts.upstream.fleet.answers,
    isDraining,
    gateway: parts.upstream.gateway,
    version: VERSION,
  });
  return data;
}

/** What a request is conducted with, as it is now. */
function conductorsOf({ upstream, judge, shadows, store, metrics, missed, log, faults }: Parts, tiering: Tiering) {
  const { fleet, admission } = upstream;
  const { rollouts, warmUp } = judge;
  const record = createRecorder(metrics, log, faults);
  const count = rollouts.count.bind(rollouts);
  const missedOf = missed.add.bind(missed);
  const expose = createExposer(store.experiments);
  const digestOf = (version: Version) => upstream.digests.of(version);
  return (): PerRequestDeps => ({
    models: rollouts.models,
    fleet,
    send,
    stream,
    withheld: admission.withheld,
    outOfService: rollouts.outOfService,
    record,
    count,
    expose,
    shadows,
    warmUp,
    tiering,
    digestOf,
    random: Math.random,
    missed: missedOf,
  });
}
