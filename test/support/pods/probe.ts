// One question of a probe, as kubelet asks it: from the node, to the pod's own address.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Probe } from '../kubernetes.ts';
import type { Pod } from './pod.ts';

/** Whether the pod gives the answer that the probe wants, in its time. */
export async function answers(pod: Pod, probe: Probe): Promise<boolean> {
  const timeoutMs = 1000 * (probe.timeoutSeconds ?? 1);
  const portOf = (name: string): number => {
    const port = pod.plan.ports[name];
    if (port === undefined) throw new Error(`${pod.plan.name} has no port ${name}`);
    return port;
  };
  if (probe.httpGet !== undefined) {
    const url = `http://${pod.plan.ip}:${portOf(probe.httpGet.port)}${probe.httpGet.path}`;
    const options = { signal: AbortSignal.timeout(timeoutMs), redirect: 'manual' } as const;
    const answer = await fetch(url, options).catch(() => undefined);
    await answer?.arrayBuffer().catch(() => undefined);
    return answer !== undefined && answer.status >= 200 && answer.status < 400;
  }
  if (probe.tcpSocket !== undefined) {
    const socket = connect({ host: pod.plan.ip, port: portOf(probe.tcpSocket.port) });
    const opened = await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined);
    socket.destroy();
    return opened !== undefined;
  }
  if (probe.exec !== undefined) return (await pod.exec(probe.exec.command, timeoutMs)).code === 0;
  throw new Error(`${pod.plan.name}: a probe of a kind that this does not know`);
}
