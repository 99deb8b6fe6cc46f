// One pod: its process in namespaces of its own, as a container runtime starts it, and its probes, as kubelet asks them.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Probe } from '../kubernetes.ts';
import { layOutPod } from './lay-out.ts';
import type { PodPlan } from './plan.ts';
import { answers } from './probe.ts';

/** How long kubelet waits before it starts a task again: 10 s there. */
const BACK_OFF_MS = 1000;

export type Ended = { readonly code: number | NodeJS.Signals; readonly ms: number };

export class Pod {
  readonly plan: PodPlan;
  isReady = false;
  /** How often its process has ended without having been asked to. */
  crashes = 0;
  /** What it wrote, to both of its outputs. */
  output = '';
  /** A task's exit code, once it has ended well. */
  isDone = false;

  readonly #folder: string;
  readonly #hosts: string;
  readonly #onChange: () => void;
  #process: ChildProcess | undefined;
  #ended: Promise<number | NodeJS.Signals> = Promise.resolve(0);
  #isStopping = false;

  constructor(plan: PodPlan, folder: string, hosts: string, onChange: () => void) {
    this.plan = plan;
    this.#folder = folder;
    this.#hosts = hosts;
    this.#onChange = onChange;
  }

  /** Starts the process, and asks the probes until `stop`. */
  start(): void {
    const { env, argv, user, image } = this.plan;
    const { root, script } = layOutPod(this.plan, this.#folder, this.#hosts);
    const enter = ['--mount', '--propagation', 'private', '--uts', '--ipc', '--pid', '--fork', '--kill-child'];
    const inside = ['unshare', `--root=${root}`, `--wd=${image.workdir}`, ...asUser(user), ...cleanEnv(env), ...argv];
    this.#process = spawn(
      'nsenter',
      [`--net=/run/netns/${this.plan.name}`, 'unshare', ...enter, 'sh', '-ec', script, 'sh', ...inside],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    const child = this.#process;
    this.#ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? 'SIGKILL')));
    void this.#ended.then((code) => this.#hasEnded(code));
    void this.#probe(child);
  }

  /** Runs a command in the container, as its user. */
  exec(
    command: readonly string[],
    timeoutMs = 5000,
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    const inner = this.#inner();
    if (inner === undefined) return Promise.resolve({ code: null, output: 'no process' });
    const into = ['--target', String(inner), '--mount', '--net', '--pid', '--uts', '--ipc', '--root', '--wd'];
    const child = spawn('nsenter', [...into, ...asUser(this.plan.user), ...cleanEnv(this.plan.env), ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
  }

  /** SIGTERM to the process alone, SIGKILL when the grace period has passed. */
  async stop(): Promise<Ended> {
    this.#isStopping = true;
    const start = performance.now();
    const inner = this.#inner();
    if (inner !== undefined) process.kill(inner, 'SIGTERM');
    const kill = setTimeout(() => this.#process?.kill('SIGKILL'), this.plan.graceMs);
    const code = await this.#ended;
    clearTimeout(kill);
    return { code, ms: performance.now() - start };
  }

  /** The process that is number 1 inside, by its number here; undefined before it started and after it ended. */
  #inner(): number | undefined {
    const { pid, exitCode, signalCode } = this.#process ?? {};
    if (pid === undefined || exitCode !== null || signalCode !== null) return undefined;
    const [inner] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return inner === undefined || inner === '' ? undefined : Number(inner);
  }

  async #hasEnded(code: number | NodeJS.Signals): Promise<void> {
    this.#setReady(false);
    if (this.#isStopping) return;
    if (this.plan.isTask && code === 0) this.isDone = true;
    else this.crashes++;
    if (!this.plan.isTask || this.isDone) return;
    await sleep(BACK_OFF_MS);
    if (!this.#isStopping) this.start();
  }

  /** As kubelet does: startup until it holds, then readiness and liveness; what fails too often in a row is killed. */
  async #probe(child: ChildProcess): Promise<void> {
    const { startup, readiness, liveness } = this.plan.probes;
    const isRunning = () => child.exitCode === null && child.signalCode === null && !this.#isStopping;
    if (startup !== undefined && !(await this.#holds(startup, isRunning))) return;
    if (readiness === undefined) this.#setReady(true);
    else void this.#follow(readiness, isRunning, (isFine) => this.#setReady(isFine));
    if (liveness !== undefined) void this.#follow(liveness, isRunning, (isFine) => isFine || child.kill('SIGKILL'));
  }

  async #holds(probe: Probe, isRunning: () => boolean): Promise<boolean> {
    for (let failures = 0; isRunning(); await sleep(1000 * (probe.periodSeconds ?? 10))) {
      if (await answers(this, probe)) return true;
      if (++failures < (probe.failureThreshold ?? 3)) continue;
      this.#process?.kill('SIGKILL');
      return false;
    }
    return false;
  }

  async #follow(probe: Probe, isRunning: () => boolean, tell: (isFine: boolean) => void): Promise<void> {
    for (let failures = 0; isRunning(); await sleep(1000 * (probe.periodSeconds ?? 10), undefined, { ref: false })) {
      failures = (await answers(this, probe)) ? 0 : failures + 1;
      if (isRunning() && (failures === 0 || failures >= (probe.failureThreshold ?? 3))) tell(failures === 0);
    }
  }

  #setReady(isReady: boolean): void {
    if (isReady === this.isReady) return;
    this.isReady = isReady;
    this.#onChange();
  }
}

/** No capability, no way to gain one: `drop: [ALL]`, `allowPrivilegeEscalation: false`. */
function asUser({ uid, gid, groups }: PodPlan['user']): string[] {
  const supplementary = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`;
  const powers = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'];
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, supplementary, ...powers];
}

function cleanEnv(env: Readonly<Record<string, string>>): string[] {
  return ['env', '-i', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
}
