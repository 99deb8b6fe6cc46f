import { Gauge, type Registry } from 'prom-client';

/** What is read of one version of the policy: what it is used for, and whether it has a ready server. */
export type ReadinessReading = {
  readonly model: string;
  readonly version: string;
  readonly role: string;
  readonly isReady: boolean;
};

/** Adds the metric of versions that no server is ready for. `read` is asked at every scrape. */
export function addReadinessMetrics(registry: Registry, read: () => Iterable<ReadinessReading>): void {
  new Gauge({
    name: 'sluice_version_ready',
    help: '1 while at least one server is ready to answer for this version of the policy; the role is what it is used for.',
    labelNames: ['model', 'version', 'role'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { isReady, ...labels } of read()) this.set(labels, isReady ? 1 : 0);
    },
  });
}
