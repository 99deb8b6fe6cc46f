import { Counter, Gauge, type Registry } from 'prom-client';
import type { StoreHealth } from './store/store.ts';

/** Adds the metrics of the store. `health` is asked at every scrape. */
export function addStoreMetrics(registry: Registry, health: () => StoreHealth): void {
  const registers = [registry];
  new Gauge({
    name: 'sluice_store_up',
    help: '1 while the store takes writes.',
    labelNames: ['kind'],
    registers,
    collect() {
      const { kind, up } = health();
      this.set({ kind }, up ? 1 : 0);
    },
  });
  new Counter({
    name: 'sluice_store_records_total',
    help: 'Comparisons told to the store, by what became of them; offered are all of them.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      const { offered, written, dropped, unknown } = health().counters;
      for (const [result, count] of Object.entries({ offered, written, dropped, unknown })) this.inc({ result }, count);
    },
  });
}
