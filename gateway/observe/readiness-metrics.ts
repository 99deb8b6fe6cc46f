import { Gauge, type Registry } from 'prom-client';

/** What is read of one version of the policy: what it is used for, and why it has no ready server, where it has none. */
export type ReadinessReading = {
  readonly model: string;
  readonly version: string;
  readonly role: string;
  readonly unready: object | undefined;
};

/** Adds the metric of versions that no server is ready for. `read` is asked at every scrape. */
export function addReadinessMetrics(registry: Registry, read: () => readonly ReadinessReading[]): void {
  new Gauge({
    name: 'sluice_version_ready',
    help: '1 while at least one server is ready to answer for this version of the policy; the role is what it is used for.',
    labelNames: ['model', 'version', 'role'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { model, version, role, unready } of read())
        this.set({ model, version, role }, unready === undefined ? 1 : 0);
    },
  });
}
