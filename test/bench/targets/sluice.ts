import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../../../gateway/cli/run/child.ts';
import type { BackendUrls } from '../backend.ts';
import { ownFolder, type Running } from './target.ts';

/** A gateway whose model has these settings besides its versions: what its row of the table is about. */
export async function startSluice(backend: BackendUrls, settings: string): Promise<Running> {
  const { folder, remove } = ownFolder('gateway');
  const policy = join(folder, 'policy.yaml');
  writeFileSync(policy, policyWith(backend, settings));
  const ports = ['--port', '0', '--admin-port', '0'];
  const child = new Child(
    [
      'gateway',
      '--policy',
      policy,
      '--data',
      join(folder, 'data'),
      ...ports,
      '--log-level',
      'warn',
      '--drain-grace',
      '0ms',
    ],
    { output: 'inherit' },
  );
  const { url } = await child.listening;
  const stop = async () => {
    await child.stop();
    remove();
  };
  return { url, pid: child.process.pid ?? 0, stop };
}

function policyWith({ url, mirrorUrl }: BackendUrls, settings: string): string {
  return `apiVersion: sluice/v1
fleet:
  live: { url: "${url}" }
  mirror: { url: "${mirrorUrl}" }
models:
  digits:
    timeout: 5s
    versions:
      v1: { servers: [live], version: "1" }
      v2: { servers: [live], version: "2" }
      v3: { servers: [mirror], version: "3" }
    baseline: v1
    ${settings}
`;
}
