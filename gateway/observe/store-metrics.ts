import { Counter, Gauge, type Registry } from 'prom-client';
import type { Store, Unshared } from '../store/store.ts';

/** Adds the metrics of the store. `health`, `damages` and `unshared` are asked at every scrape. */
export function addStoreMetrics(
  registry: Registry,
  { health, damages }: Pick<Store, 'health' | 'damages'>,
  unshared: () => Unshared,
): void {
  addStanding([registry], { health, damages }, unshared);
  addCounters([registry], health);
}

function addStanding(
  registers: Registry[],
  { health, damages }: Pick<Store, 'health' | 'damages'>,
  unshared: () => Unshared,
): void {
  new Gauge({
    name: 'sluice_store_up',
    help: '1 while everything works that is asked of the store; 0 while it is away or refuses any of it.',
    labelNames: ['kind'],
    registers,
    collect() {
      const { kind, up } = health();
      this.set({ kind }, up ? 1 : 0);
    },
  });
  addPending(registers, 'rollbacks', 'Rollbacks', unshared);
  addPending(registers, 'suspensions', 'Suspensions', unshared);
  new Gauge({
    name: 'sluice_store_damaged',
    help: 'Files of the data folder, and keys of Redis, in which something cannot be read; /api/status names them.',
    registers,
    collect() {
      this.set(damages.list().length);
    },
  });
}

function addPending(registers: Registry[], name: keyof Unshared, title: string, unshared: () => Unshared): void {
  new Gauge({
    name: `sluice_${name}_pending`,
    help: `${title} that hold at this gateway and that its disk, or the store that gateways share, does not have yet.`,
    labelNames: ['at'],
    registers,
    collect() {
      for (const [at, ids] of Object.entries(unshared()[name])) this.set({ at }, ids.size);
    },
  });
}

function addCounters(registers: Registry[], health: Store['health']): void {
  new Counter({
    name: 'sluice_audit_entries_dropped_total',
    help: "Entries of the audit trail that this gateway's disk will never have: it failed while more than 1,000 waited.",
    registers,
    collect() {
      this.reset();
      this.inc(health().auditDropped);
    },
  });
  new Counter({
    name: 'sluice_store_failures_total',
    help: 'What was asked of the store and not done, by operation (rollouts_read, ...) and kind (lost, permission, ...).',
    labelNames: ['operation', 'kind'],
    registers,
    collect() {
      this.reset();
      for (const { count, ...labels } of health().failures) this.inc(labels, count);
    },
  });
  new Counter({
    name: 'sluice_store_records_total',
    help: 'Comparisons given to the store, by what became of them; offered are all of them.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      const { offered, written, dropped, unknown } = health().counters;
      for (const [result, count] of Object.entries({ offered, written, dropped, unknown })) this.inc({ result }, count);
    },
  });
}
