import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Ending } from './errors.ts';
import type { Labels, Version } from './models.ts';
import type { RunResult } from './runner.ts';

/** Where the gauges look when they are scraped. */
export type MetricsDeps = { readonly waiting: () => number; readonly versions: () => readonly Version[] };

/** Everything one server counts. */
export type Metrics = {
  /** Counts a request that was answered with the result of a run. */
  readonly ran: (labels: Labels, result: RunResult) => void;
  /** Counts a request that ended otherwise. */
  readonly ended: (labels: Labels, outcome: Ending) => void;
  readonly exposition: () => Promise<string>;
  readonly contentType: string;
};

const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const LABELS = ['model', 'version'] as const;

/** Metrics in a registry of their own; label values come from the repository and from our own tables only. */
export function createMetrics(deps: MetricsDeps): Metrics {
  const registry = new Registry();
  const registers = [registry];
  addProcess(registry);
  addGauges(deps, registers);
  const requests = new Counter({
    name: 'sluice_server_requests_total',
    help: 'Inference requests by how they ended; ok, or the reason.',
    labelNames: [...LABELS, 'outcome'],
    registers,
  });
  const queueTime = new Histogram({
    name: 'sluice_server_queue_seconds',
    help: 'Time a run waited for its turn.',
    labelNames: LABELS,
    buckets: BUCKETS,
    registers,
  });
  const runTime = new Histogram({
    name: 'sluice_server_run_seconds',
    help: 'Time a run took inside the runtime.',
    labelNames: LABELS,
    buckets: BUCKETS,
    registers,
  });
  return {
    ran(labels, { queueSeconds, runSeconds }) {
      requests.inc({ ...labels, outcome: 'ok' });
      queueTime.observe(labels, queueSeconds);
      runTime.observe(labels, runSeconds);
    },
    ended: (labels, outcome) => requests.inc({ ...labels, outcome }),
    exposition: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function addProcess(register: Registry): void {
  collectDefaultMetrics({ register });
  // promtool rejects these: gauges whose names end like counters.
  for (const name of ['handles', 'requests', 'resources']) {
    register.removeSingleMetric(`nodejs_active_${name}_total`);
  }
}

function addGauges({ waiting, versions }: MetricsDeps, registers: Registry[]): void {
  new Gauge({
    name: 'sluice_server_queue_depth',
    help: 'Runs waiting for their turn.',
    registers,
    collect() {
      this.set(waiting());
    },
  });
  new Gauge({
    name: 'sluice_server_version_ready',
    help: 'Whether a version of the repository answers.',
    labelNames: LABELS,
    registers,
    collect() {
      this.reset();
      for (const { model, version, state } of versions()) {
        this.set({ model, version }, state === 'ready' ? 1 : 0);
      }
    },
  });
}
