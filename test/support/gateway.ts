// A gateway inside the test's own process, on ports 0, over whatever servers the test has.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Gateway, startGateway } from '../../gateway/app.ts';
import { readTrustedProxies } from '../../gateway/receive/http/claims.ts';
import type { Limits } from '../../gateway/receive/http/listener.ts';
import type { GatewaySettings } from '../../gateway/settings.ts';
import { folderOf } from './folder.ts';
import { undo } from './undo.ts';

/** What differs from the settings that tests run with; of the limits only those that matter. */
export type TestSettings = Partial<Omit<GatewaySettings, 'limits'> & { readonly limits: Partial<Limits> }>;

const LIMITS: Limits = {
  bodyLimit: 1024 * 1024,
  uploadMemory: 64 * 1024 * 1024,
  answerMemory: 256 * 1024 * 1024,
  maxConnections: 10_000,
  requestTimeoutMs: 25_000,
  answerTimeoutMs: 20_000,
};

/** Writes a policy into a folder that goes when the test ends; returns the file. */
export function policyFile(t: TestContext, text: string): string {
  const folder = folderOf(t, 'test');
  const file = join(folder, 'policy.yaml');
  writeFileSync(file, text);
  return file;
}

/** Starts a gateway with a policy's text and closes it when the test ends. */
export function gateway(t: TestContext, policy: string, settings: TestSettings = {}): Promise<Gateway> {
  return gatewayOf(t, policyFile(t, policy), settings);
}

/** The same with a policy file; the data folder stands beside it. */
export async function gatewayOf(
  t: TestContext,
  file: string,
  { limits, ...settings }: TestSettings = {},
): Promise<Gateway> {
  const started = await startGateway({
    policy: file,
    data: join(dirname(file), 'data'),
    host: '127.0.0.1',
    port: 0,
    adminHost: '127.0.0.1',
    adminPort: 0,
    adminToken: undefined,
    redisUrl: undefined,
    redisPrefix: 'sluice',
    redisCa: undefined,
    isAutomatic: true,
    notifyUrl: undefined,
    drainGraceMs: 0,
    drainTimeoutMs: 10_000,
    limits: { ...LIMITS, ...limits },
    trustedProxies: readTrustedProxies('', 'none'),
    logLevel: 'silent',
    ...settings,
  });
  undo(t, () => started.close());
  return started;
}

/** A policy with one model `m` whose baseline v1 runs on these servers. */
export function policyOf(urls: readonly string[], model = 'timeout: 1s'): string {
  const names = urls.map((_, i) => `s${i}`);
  const fleet = urls.map((url, i) => `  s${i}: { url: "${url}" }`).join('\n');
  return `apiVersion: sluice/v1\nfleet:\n${fleet}\nmodels:\n  m:\n    versions: { v1: { servers: [${names.join(', ')}] } }\n    baseline: v1\n    ${model}\n`;
}

/** Sends an inference request. */
export function infer(url: string, init: RequestInit = {}, model = 'm'): Promise<Response> {
  return fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', body: '{"inputs":[]}', ...init });
}
