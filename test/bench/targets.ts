// What is measured: one row each, in front of the same backend. A new feature that costs something gets a row.
import { portkeyCall, startFastGateway, startPortkey } from './targets/from-npm.ts';
import { startHaproxy } from './targets/haproxy.ts';
import { startNginx } from './targets/nginx.ts';
import { startSluice } from './targets/sluice.ts';
import { startScript, type Target } from './targets/target.ts';

/** Every request is copied, every pair classified and stored. */
const SHADOW = 'shadow: [{ version: v3, sample: 100%, compare: { as: classification, output: probabilities } }]';
const CANARY = 'rollout: { id: c, candidate: v2, unit: header x-user-id, steps: [10%] }';

export const TARGETS: readonly Target[] = [
  { name: 'sluice, baseline only', start: (backend) => startSluice(backend, '') },
  { name: 'sluice, sticky canary', weighted: true, start: (backend) => startSluice(backend, CANARY) },
  {
    name: 'sluice, canary and shadow',
    weighted: true,
    mirrors: true,
    start: (backend) => startSluice(backend, `${CANARY}\n    ${SHADOW}`),
  },
  { name: 'nginx, weighted', weighted: true, start: (backend) => startNginx(backend, 'weighted') },
  { name: 'nginx, mirror', mirrors: true, start: (backend) => startNginx(backend, 'mirrors') },
  { name: 'haproxy, weighted', weighted: true, start: startHaproxy },
  { name: '@fastify/http-proxy', start: ({ url }) => startScript('http-proxy', [url]) },
  { name: 'bare fastify + undici', start: ({ url }) => startScript('bare', [url]) },
  { name: 'fast-gateway', start: startFastGateway },
  { name: 'portkey (a chat call)', call: portkeyCall, start: startPortkey },
];

/** Columns of ratios: what the rows are compared with. */
export const REFERENCES = ['nginx, weighted', 'nginx, mirror', 'haproxy, weighted', '@fastify/http-proxy'] as const;

/** What Sluice promises of itself, as at most this many times a reference's CPU time a request. */
export const PROMISES = [
  { target: 'sluice, sticky canary', reference: 'nginx, weighted', atMost: 3.0, goal: 2.5 },
  { target: 'sluice, sticky canary', reference: '@fastify/http-proxy', atMost: 0.6, goal: 0.5 },
  { target: 'sluice, canary and shadow', reference: 'nginx, mirror', atMost: 1.2, goal: 1.0 },
] as const;

/** Milliseconds that the median request may take longer than without a gateway. */
export const PROMISED_ADDED_P50_MS = 0.3;
