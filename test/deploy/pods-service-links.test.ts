// What kubelet adds to the environment when service links are on, in both programs (pods.test.ts says how).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Thing } from '../support/kubernetes.ts';
import { assertAllWell, callsTo, changed, imagesOf, inNamespaces, live, things } from '../support/pods/live.ts';
import { planOf } from '../support/pods/plan.ts';

test(
  'with the service links of every Service of every overlay both programs start, and report what they ignore',
  inNamespaces,
  async (t) => {
    const services = ['overlays/cpu', 'overlays/gpu', 'overlays/redis-cluster'].flatMap((overlay) =>
      things(overlay).filter(({ kind }) => kind === 'Service'),
    );
    const others = services.map((thing) => ({ ...thing, spec: { ...thing.spec, clusterIP: '' } }));
    const named = (name: string): Thing => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { selector: { app: 'none' }, ports: [{ name: 'http', port: 9101 }] },
    });
    const mine = changed(things('overlays/single-node'), '"enableServiceLinks":false', '"enableServiceLinks":true');
    const known = new Set(mine.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name));
    const added = [...others, named('sluice-model-server')].filter(({ metadata }) => !known.has(metadata.name));
    const plan = planOf([...mine, ...added], imagesOf(t));
    for (const { env } of plan.pods)
      for (const name of ['SLUICE_PORT', 'SLUICE_ADMIN_PORT', 'SLUICE_MODEL_SERVER_PORT', 'MODEL_SERVER_GPU_PORT'])
        assert.match(env[name] ?? '', /^tcp:/, name);
    const life = await live(t, { plan, calls: callsTo(['digits'], 1), commands: [] });
    assertAllWell(life, 1);
    for (const { name, output } of life.pods)
      if (!name.startsWith('redis')) assert.match(output, /^sluice: SLUICE_PORT=tcp:\S+ is ignored: /m, name);
  },
);
