import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ENDINGS, type Ending } from './errors.ts';
import type { BodyMemory } from './http/body-memory.ts';
import { loadedBytes } from './http/describe.ts';
import type { ReadyVersion } from './repository/loader.ts';
import { type Labels, type Models, UNKNOWN } from './repository/models.ts';
import type { RunResult } from './run/runner.ts';
import type { Execution } from './run/session.ts';

/** Everything one server counts. */
export type Metrics = {
  /** Counts a request that was answered with the result of a run. */
  readonly answered: (labels: Labels, result: RunResult) => void;
  /** Counts a request that ended otherwise. */
  readonly ended: (labels: Labels, outcome: Ending) => void;
  /** Counts a call of the runtime. */
  readonly executed: (labels: Labels, execution: Execution) => void;
  /** Drops the series of a version that is gone for good. */
  readonly forget: (labels: Labels) => void;
  readonly exposition: () => Promise<string>;
  readonly contentType: string;
};

const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const LABELS = ['model', 'version'] as const;
const OUTCOMES = ['ok', ...Object.keys(ENDINGS)];

/** Metrics in a registry of their own; label values come from the repository and from our own tables only. */
export function createMetrics(models: Models, bodies: Pick<BodyMemory, 'held' | 'limit'>): Metrics {
  const registry = new Registry();
  const registers = [registry];
  addProcess(registry);
  addGauges(models, registers);
  addBodyGauges(bodies, registers);
  const requests = new Counter({
    name: 'sluice_server_requests_total',
    help: 'Inference requests by how they ended; ok, or the reason.',
    labelNames: [...LABELS, 'outcome'],
    registers,
    collect: startAtZero,
  });
  const { queueTime, runTime, batchRows } = histogramsIn(registers);
  const histograms = [queueTime, runTime, batchRows];
  const timed = new Set<string>(); // to start a histogram again would forget it
  /** A counter that is born at 1 has no increase in Prometheus: its first event would show nowhere. */
  function startAtZero(): void {
    for (const { model, version } of models.all()) {
      for (const outcome of OUTCOMES) requests.inc({ model, version, outcome }, 0);
      if (!timed.has(`${model}/${version}`)) for (const each of histograms) each.zero({ model, version });
      timed.add(`${model}/${version}`);
      requests.inc({ model, version: UNKNOWN, outcome: 'not_found' }, 0);
    }
    requests.inc({ model: UNKNOWN, version: UNKNOWN, outcome: 'not_found' }, 0);
  }
  return {
    answered({ model, version }, { queueSeconds }) {
      requests.inc({ model, version, outcome: 'ok' });
      timed.add(`${model}/${version}`);
      queueTime.observe({ model, version }, queueSeconds);
    },
    ended: (labels, outcome) => requests.inc({ ...labels, outcome }),
    executed({ model, version }, { runSeconds, rows }) {
      timed.add(`${model}/${version}`);
      runTime.observe({ model, version }, runSeconds);
      batchRows.observe({ model, version }, rows);
    },
    forget({ model, version }) {
      timed.delete(`${model}/${version}`);
      for (const outcome of OUTCOMES) requests.remove({ model, version, outcome });
      for (const each of histograms) each.remove({ model, version });
    },
    exposition: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function histogramsIn(registers: Registry[]) {
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, labelNames: LABELS, buckets, registers });
  return {
    queueTime: histogram('sluice_server_queue_seconds', 'Time a request waited for its turn.', SECONDS),
    runTime: histogram('sluice_server_run_seconds', 'Time of one call of the runtime.', SECONDS),
    batchRows: histogram('sluice_server_batch_rows', 'Rows of one call of the runtime.', ROWS),
  };
}

function addProcess(register: Registry): void {
  collectDefaultMetrics({ register });
  // promtool rejects these: gauges whose names end like counters.
  for (const name of ['handles', 'requests', 'resources']) {
    register.removeSingleMetric(`nodejs_active_${name}_total`);
  }
}

/** Gauges that look when they are scraped, one series for each version that answers. */
function addGauges(models: Models, registers: Registry[]): void {
  const gauge = (name: string, help: string, measure: (version: ReadyVersion) => number) =>
    new Gauge({
      name,
      help,
      labelNames: LABELS,
      registers,
      collect() {
        this.reset();
        for (const each of models.serving()) {
          this.set({ model: each.model, version: each.version }, measure(each));
        }
      },
    });
  gauge('sluice_server_queue_depth', 'Requests waiting for their turn.', ({ runner }) => runner.waiting);
  gauge(
    'sluice_server_pending_requests',
    'Requests waiting or inside the runtime: what an autoscaler divides by the instances.',
    ({ runner }) => runner.waiting + runner.running,
  );
  gauge('sluice_server_instances', 'Inference threads.', ({ instances }) => instances);
  gauge('sluice_server_model_bytes', 'Bytes of the files in memory, once for each instance.', loadedBytes);
  new Gauge({
    name: 'sluice_server_provider',
    help: 'The execution provider that a version really runs on: always 1.',
    labelNames: [...LABELS, 'provider'],
    registers,
    collect() {
      this.reset();
      for (const { model, version, provider } of models.serving()) {
        this.set({ model, version, provider }, 1);
      }
    },
  });
  new Gauge({
    name: 'sluice_server_version_ready',
    help: 'Whether a version of the repository answers.',
    labelNames: LABELS,
    registers,
    collect() {
      this.reset();
      for (const { model, version, state } of models.all()) {
        this.set({ model, version }, state === 'ready' ? 1 : 0);
      }
    },
  });
}

function addBodyGauges(bodies: Pick<BodyMemory, 'held' | 'limit'>, registers: Registry[]): void {
  const gauge = (name: string, help: string, measure: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(measure());
      },
    });
  gauge(
    'sluice_server_body_bytes',
    'Bytes of bodies held now: of requests, unpacked, and of large answers that are not taken.',
    () => bodies.held,
  );
  gauge(
    'sluice_server_body_bytes_limit',
    'Beyond it requests with a body are refused: memory_full.',
    () => bodies.limit,
  );
}
