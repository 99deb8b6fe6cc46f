// What stories about rollouts share: gateways as processes that can be killed and started again, traffic of many callers at
// a steady pace, and what the status page says meanwhile.
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { Agent, request } from 'undici';
import { Child } from '../../gateway/cli/run/child.ts';
import type { RolloutStanding } from '../../gateway/judge/rollout/told.ts';
import { freePorts } from '../support/free-ports.ts';
import { policyFile } from '../support/gateway.ts';
import { replaceFile } from '../support/replace-file.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

export const INPUT = JSON.stringify({
  inputs: [
    { name: 'image', shape: [1, 784], datatype: 'FP32', data: Array.from({ length: 784 }, (_, i) => (i % 7) / 7) },
  ],
});

/** A gateway process with a policy file and a data folder that outlive it. */
export class Member {
  readonly file: string;
  url = '';
  adminUrl = '';
  readonly #t: TestContext;
  readonly #data: string;
  readonly #env: Readonly<Record<string, string>>;
  #child: Child | undefined;
  #log = '';

  constructor(
    t: TestContext,
    policy: string,
    { redisUrl, file = policyFile(t, policy), data = 'data' }: MemberOptions = {},
  ) {
    this.#t = t;
    this.file = file;
    this.#data = join(dirname(file), data);
    this.#env = redisUrl === undefined ? {} : { REDIS_URL: redisUrl };
  }

  /** Starts it, also again after its end. */
  async start(): Promise<this> {
    const where = ['--port', '0', '--admin-port', '0', '--policy', this.file, '--data', this.#data];
    const child = new Child(['gateway', ...where, '--drain-grace', '0ms', '--log-level', 'info'], {
      env: this.#env,
      output: 'pipe',
    });
    undo(this.#t, () => child.stop());
    this.#child = child;
    for (const stream of [child.process.stdout, child.process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
      });
    const { url, adminUrl = '' } = await child.listening;
    this.url = url;
    this.adminUrl = adminUrl;
    return this;
  }

  async kill(): Promise<void> {
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
  }

  /** A file in its data folder. */
  path(name: string): string {
    return join(this.#data, name);
  }

  /** Its log so far, of one level. */
  logged(level: 'info' | 'warn' | 'error'): string[] {
    return this.#log.split('\n').filter((line) => line.includes(`"level":"${level}"`));
  }

  write(policy: string): void {
    replaceFile(this.file, policy);
  }

  async status(): Promise<Status> {
    return (await (await fetch(`${this.adminUrl}/api/status`)).json()) as Status;
  }

  async standing(model = 'm', index = 0): Promise<RolloutStanding | undefined> {
    return (await this.status()).models[model]?.rollouts[index]?.standing;
  }

  async phase(model = 'm', index = 0): Promise<string> {
    return (await this.standing(model, index))?.phase ?? '';
  }

  /** A person's order. */
  async order(action: string, model = 'm'): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await fetch(`${this.adminUrl}/api/models/${model}/rollout/${action}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'as I say', by: 'ada' }),
    });
    return { status: answer.status, text: await answer.text() };
  }
}

type MemberOptions = { readonly redisUrl?: string; readonly file?: string; readonly data?: string };

export type Status = {
  readonly policy: { readonly sha256: string; readonly mistake?: string };
  readonly held: readonly { readonly id: string; readonly sentence: string }[];
  readonly pendingSuspensions: readonly { readonly id: string; readonly at: string; readonly sentence: string }[];
  readonly models: Readonly<
    Record<string, { readonly rollouts: readonly { readonly share: number; readonly standing?: RolloutStanding }[] }>
  >;
};

/** The phases that a rollout goes through, in order, as often as the status page is looked at. */
export function phasesOf(t: TestContext, member: Member, model = 'm', index = 0): readonly string[] {
  const phases: string[] = [];
  const look = async () => {
    const phase = await member.phase(model, index).catch(() => '');
    if (phase !== '' && phases.at(-1) !== phase) phases.push(phase);
  };
  const timer = setInterval(() => void look(), 150);
  undo(t, () => clearInterval(timer));
  return phases;
}

/** How often a candidate's callers were given back. */
export function suspensionsIn(phases: readonly string[]): number {
  return phases.filter((phase, i) => /^suspended (in|after)/.test(phase) && !phases[i - 1]?.startsWith('suspended'))
    .length;
}

/** An answer that a caller had; 0 is none. */
export type Had = { readonly user: string; readonly status: number; readonly version: string; readonly atMs: number };

export type Asking = {
  readonly path?: string;
  readonly method?: 'GET' | 'POST';
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** One request of a user. */
export async function ask(url: string, user: string, asking: Asking = {}): Promise<Had> {
  const { path = '/v2/models/m/infer', method = 'POST', body = '{"inputs":[]}', headers = {} } = asking;
  const agent = agentOf(url);
  try {
    const answer = await request(`${url}${path}`, {
      dispatcher: agent,
      method,
      headers: { 'content-type': 'application/json', 'x-user-id': user, ...headers },
      ...(method === 'POST' ? { body } : {}),
    });
    await answer.body.dump({ limit: 1e8 });
    const version = String(answer.headers['x-sluice-version'] ?? '');
    return { user, status: answer.statusCode, version, atMs: performance.now() };
  } catch {
    return { user, status: 0, version: '', atMs: performance.now() };
  }
}

const AGENTS = new Map<string, Agent>();

function agentOf(url: string): Agent {
  const known = AGENTS.get(url);
  if (known !== undefined) return known;
  const made = new Agent({ connections: 256, keepAliveTimeout: 2000 });
  AGENTS.set(url, made);
  return made;
}

/** Requests at a steady pace, whether or not earlier ones were answered, until the test ends. */
export class Traffic {
  readonly had: Had[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #underWay = new Set<Promise<unknown>>();
  #sent = 0;

  constructor(t: TestContext, perSecond: number, next: (index: number) => Promise<Had>) {
    const start = performance.now();
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - start) * perSecond) / 1000);
      // A pause of this process is made up for little by little.
      for (let burst = 0; this.#sent < due && burst < perSecond / 5; burst++) {
        const one: Promise<unknown> = next(this.#sent++).then((had) => {
          this.had.push(had);
          this.#underWay.delete(one);
        });
        this.#underWay.add(one);
      }
      this.#sent = Math.max(this.#sent, due - perSecond);
    }, 20);
    undo(t, () => this.stop());
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  /** How many answers there were of each status. */
  get statuses(): Readonly<Record<number, number>> {
    const counts: Record<number, number> = {};
    for (const { status } of this.had) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }

  /** The users whom a version has answered since a moment. */
  usersOf(version: string, sinceMs = 0): ReadonlySet<string> {
    return new Set(this.had.filter((had) => had.version === version && had.atMs >= sinceMs).map(({ user }) => user));
  }

  /** How many requests a version has answered since a moment. */
  answeredBy(version: string, sinceMs = 0): number {
    return this.had.filter((had) => had.version === version && had.status === 200 && had.atMs >= sinceMs).length;
  }
}

/** Traffic of so many different users on a gateway. */
export function callersOf(
  t: TestContext,
  member: { readonly url: string },
  perSecond: number,
  asking: Asking = {},
  users = 2000,
) {
  return new Traffic(t, perSecond, (index) => ask(member.url, `u${(index * 7919) % users}`, asking));
}

/** Users whom the candidate answers at this moment. */
export async function callersWith(url: string, version: string, count: number, asking: Asking = {}): Promise<string[]> {
  const found: string[] = [];
  for (let i = 0; found.length < count && i < 20_000; i++) {
    const had = await ask(url, `sought-${i}`, asking);
    if (had.version === version) found.push(had.user);
  }
  return found;
}

/** A model server that can be frozen, killed and started again at its port. */
export class ModelServer {
  readonly url: string;
  readonly #t: TestContext;
  readonly #port: number;
  #child: Child | undefined;

  constructor(t: TestContext, port: number) {
    this.#t = t;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async started(t: TestContext, count: number): Promise<ModelServer[]> {
    const servers = (await freePorts(count)).map((port) => new ModelServer(t, port));
    await Promise.all(servers.map((server) => server.start()));
    return servers;
  }

  async start(): Promise<void> {
    const which = ['--models', 'config/models', '--model-control', 'explicit', '--load', 'digits'];
    const child = new Child(['model-server', ...which, '--port', String(this.#port), '--log-level', 'fatal']);
    // One that is frozen hears of nothing else.
    undo(this.#t, () => {
      child.signal('SIGKILL');
      return child.exited;
    });
    this.#child = child;
    await child.listening;
    await until(
      () =>
        fetch(`${this.url}/v2/health/ready`).then(
          ({ ok }) => ok,
          () => false,
        ),
      'a ready model server',
    );
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.signal(signal);
  }

  async kill(): Promise<void> {
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
  }
}
