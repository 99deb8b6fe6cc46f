// Everything the gateway exports to Prometheus. Label values come from the policy or from tables in the code, never from
// a request: a caller must not be able to make time series.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ERROR_CODES } from '../errors.ts';
import { type Fault, isFailure, OUTCOME_CLASSES, type Outcome } from '../flow.ts';
import type { Policy } from '../policy/policy.ts';
import type { ServerStanding } from '../standings.ts';

/** Seconds; from a cached answer of a small model to the longest deadline that people set. */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Faults that are a server's; the others are never counted as one. */
const SERVER_FAULTS: readonly Fault[] = ['unreachable', 'broken', 'malformed', 'redirected', 'deadline'];
/** Why a request never reached a model, beside the errors of the gateway's table. */
const REFUSALS = ['client_left', 'too_many_connections', 'answer_not_taken'];
/** Series that start at 0 with the policy; with more versions than this, those of a version start with its first request. */
const MOST_VERSIONS = 1000;

/** What a gauge reads of the policy. */
export type PolicyReading = { readonly sha256: string; readonly mistake: string | undefined };

export type Metrics = {
  readonly record: (outcome: Outcome) => void;
  readonly refused: (code: string) => void;
  /**
   * Starts the series of this policy at 0. A counter that is born at 1 has no increase in Prometheus: its first event would
   * show nowhere. What is counted already stays.
   */
  readonly follow: (policy: Pick<Policy, 'models' | 'fleet'>) => void;
  readonly exposition: () => Promise<string>;
  readonly contentType: string;
  /** For metrics of other parts. */
  readonly registry: Registry;
};

/** The gateway's metrics, in a registry of their own. `servers` is read at every scrape. */
export function createMetrics(
  version: string,
  policy: () => PolicyReading,
  servers: () => readonly ServerStanding[],
): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  // promtool rejects these: gauges whose names end like counters.
  for (const name of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${name}_total`);
  const { requests, latency, serverFaults, repeats, refused } = requestMetrics(registers);
  addGauges(registers, version, policy, servers);
  for (const reason of [...ERROR_CODES.map((code) => code.toLowerCase()), ...REFUSALS]) refused.inc({ reason }, 0);
  return {
    follow: startingAtZero({ requests, repeats, latency, serverFaults }),
    record({ model, version, class: outcome, server, fault, latencyMs, attempts }) {
      requests.inc({ model, version, outcome });
      if (attempts > 1) repeats.inc({ model, version }, attempts - 1);
      if (server === undefined) return; // shed: it took no time of any server's
      latency.observe({ model, version }, latencyMs / 1000);
      if (fault !== undefined && isFailure(outcome)) serverFaults.inc({ server, fault });
    },
    refused: (reason) => refused.inc({ reason }),
    exposition: () => registry.metrics(),
    contentType: registry.contentType,
    registry,
  };
}

function requestMetrics(registers: Registry[]): OfVersions & { readonly refused: Counter<'reason'> } {
  const requests = new Counter({
    name: 'sluice_requests_total',
    help: 'Requests answered, by the version that was chosen and whose doing the result was.',
    labelNames: ['model', 'version', 'outcome'],
    registers,
  });
  const latency = new Histogram({
    name: 'sluice_request_duration_seconds',
    help: 'From the decision to the last byte of the answer; of a streamed one without the time the caller was waited for.',
    labelNames: ['model', 'version'],
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const serverFaults = new Counter({
    name: 'sluice_fleet_faults_total',
    help: 'Requests that a server did not answer, by the kind of fault.',
    labelNames: ['server', 'fault'],
    registers,
  });
  const repeats = new Counter({
    name: 'sluice_repeated_attempts_total',
    help: 'Attempts beyond the first of a request: retries and hedges.',
    labelNames: ['model', 'version'],
    registers,
  });
  const refused = new Counter({
    name: 'sluice_refused_requests_total',
    help: 'Requests that never reached a model: unknown name, unreadable, too large.',
    labelNames: ['reason'],
    registers,
  });
  return { requests, latency, serverFaults, repeats, refused };
}

type OfVersions = {
  readonly requests: Counter<'model' | 'version' | 'outcome'>;
  readonly repeats: Counter<'model' | 'version'>;
  readonly latency: Histogram<'model' | 'version'>;
  readonly serverFaults: Counter<'server' | 'fault'>;
};

/** Starts what a policy names at 0; what it named before stays. */
function startingAtZero({ requests, repeats, latency, serverFaults }: OfVersions): Metrics['follow'] {
  const timed = new Set<string>(); // their histograms may hold something, and to start one again would forget it
  return ({ models, fleet }) => {
    for (const server of fleet.keys()) for (const fault of SERVER_FAULTS) serverFaults.inc({ server, fault }, 0);
    const versions = [...models.values()].flatMap((model) =>
      model.kind === 'served' ? [...model.versions.values()] : [],
    );
    for (const [i, { model, label: version }] of versions.entries()) {
      const isNew = !timed.has(`${model}/${version}`);
      timed.add(`${model}/${version}`);
      if (i >= MOST_VERSIONS) continue;
      for (const outcome of OUTCOME_CLASSES) requests.inc({ model, version, outcome }, 0);
      repeats.inc({ model, version }, 0);
      if (isNew) latency.zero({ model, version });
    }
  };
}

function addGauges(
  registers: Registry[],
  version: string,
  policy: () => PolicyReading,
  servers: () => readonly ServerStanding[],
): void {
  new Gauge({ name: 'sluice_build_info', help: 'Always 1.', labelNames: ['version'], registers }).set({ version }, 1);
  new Gauge({
    name: 'sluice_policy_info',
    help: 'Always 1; the label is the start of the SHA-256 of the policy in force.',
    labelNames: ['sha256'],
    registers,
    collect() {
      this.reset();
      this.set({ sha256: policy().sha256.slice(0, 12) }, 1);
    },
  });
  new Gauge({
    name: 'sluice_policy_last_reload_ok',
    help: '0 while the policy file is bad and the last good policy decides.',
    registers,
    collect() {
      this.set(policy().mistake === undefined ? 1 : 0);
    },
  });
  const perServer = (name: string, help: string, read: (server: ServerStanding) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['server'],
      registers,
      collect() {
        this.reset();
        for (const server of servers()) this.inc({ server: server.name }, read(server)); // a name may lead to several
      },
    });
  perServer('sluice_fleet_in_flight', 'Requests at a server now.', ({ inFlight }) => inFlight);
  perServer('sluice_fleet_ejected', 'Addresses of this server that are left alone after failures.', ({ standing }) =>
    standing === 'healthy' ? 0 : 1,
  );
}
