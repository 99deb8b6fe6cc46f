// A cluster's whole life in one process, in namespaces of its own (test/deploy/pods.test.ts starts it so): every pod of a plan
// starts, becomes ready, answers through the Services, and is ended. Prints one JSON document, `Life`, on its last line.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../until.ts';
import { Machine } from './machine.ts';
import type { ClusterPlan } from './plan.ts';
import { Pod } from './pod.ts';

/** What to do: `calls` are made through the Services once every pod is ready; `commands` are run in every pod whose name begins so. */
export type Script = {
  readonly plan: ClusterPlan;
  readonly folder: string;
  readonly readyWithinMs: number;
  readonly calls: readonly Call[];
  readonly commands: readonly { readonly pod: string; readonly command: readonly string[] }[];
};

/** A request to a Service's address. */
export type Call = {
  readonly service: string;
  readonly port: number;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Asked again until the answer's body matches this, a regular expression. */
  readonly until?: string;
};

export type PodLife = {
  readonly name: string;
  readonly becameReady: boolean;
  readonly isDone: boolean;
  readonly crashes: number;
  readonly end: { readonly code: number | string; readonly ms: number };
  readonly graceMs: number;
  readonly output: string;
};

export type Life = {
  readonly pods: readonly PodLife[];
  readonly answers: readonly { readonly status: number; readonly body: string }[];
  readonly commands: readonly { readonly code: number | null; readonly output: string }[];
};

/** The end of what a pod wrote. */
const SHOWN = 8000;

async function live({ plan, folder, readyWithinMs, calls, commands }: Script): Promise<Life> {
  const machine = new Machine(folder, plan.services);
  const pods = plan.pods.map((pod) => new Pod(pod, join(folder, 'pods'), machine.hosts, () => machine.writeHosts()));
  machine.pods = pods;
  mkdirSync(join(folder, 'pods'));
  for (const [i, pod] of pods.entries()) machine.addNetwork(pod.plan, i);
  await machine.openServices();
  for (const pod of pods) pod.start();
  const isWell = (pod: Pod) => (pod.plan.isTask ? pod.isDone : pod.isReady);
  const isLost = (pod: Pod) => !pod.plan.isTask && pod.crashes > 0;
  await until(() => pods.every((pod) => isWell(pod) || isLost(pod)), 'every pod being ready', readyWithinMs).catch(
    () => {},
  );
  const becameReady = pods.map(isWell);
  const answers = [];
  for (const call of becameReady.every((isReady) => isReady) ? calls : []) answers.push(await ask(plan, call));
  const outputs = [];
  for (const { pod: prefix, command } of commands)
    for (const pod of pods) if (isWell(pod) && pod.plan.name.startsWith(prefix)) outputs.push(await pod.exec(command));
  const ends = await Promise.all(pods.map((pod) => pod.stop()));
  machine.close();
  return {
    answers,
    commands: outputs,
    pods: pods.map((pod, i) => ({
      name: pod.plan.name,
      becameReady: becameReady[i] === true,
      isDone: pod.isDone,
      crashes: pod.crashes,
      end: ends[i] ?? { code: 'lost', ms: 0 },
      graceMs: pod.plan.graceMs,
      output: pod.output.slice(-SHOWN),
    })),
  };
}

/** A call through a Service, again and again for 15 s: gateways look up their servers every 5 s, so the first answers may be refusals. */
async function ask({ services }: ClusterPlan, { service, port, path, body, headers = {}, until: pattern = '' }: Call) {
  const url = `http://${services.find(({ name }) => name === service)?.address}:${port}${path}`;
  let last = { status: 0, body: '' };
  const isGood = () => last.status === 200 && new RegExp(pattern, 's').test(last.body);
  for (let i = 0; i < 60 && !isGood(); i++) {
    if (i > 0) await sleep(250);
    const answer = await fetch(url, body === undefined ? { headers } : { method: 'POST', body, headers }).catch(
      (error) => error as Error,
    );
    last =
      answer instanceof Error
        ? { status: 0, body: String(answer.cause ?? answer) }
        : { status: answer.status, body: await answer.text() };
  }
  return { status: last.status, body: last.body };
}

const life = await live(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Script);
console.log(JSON.stringify(life));
process.exit(0);
