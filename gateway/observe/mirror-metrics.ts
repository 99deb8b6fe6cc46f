import { Counter, Gauge, type Registry } from 'prom-client';
import type { ShadowCounts } from '../standings.ts';

/** What is read of one shadow at a scrape. */
export type MirrorReading = { readonly model: string; readonly shadow: string; readonly counts: ShadowCounts };

/** What became of pairs after both answers were there, over all shadows. */
export type PairReading = Readonly<Record<'compared' | 'dropped' | 'failed', number>>;

/** Counts what comparisons of one shadow said: pairs by kind, and second answers of the baseline that differ. */
export type OnCompared = (
  subject: { readonly model: string; readonly shadow: string },
  kinds: ReadonlyMap<string, number>,
  noise: { readonly pairs: number; readonly different: number },
) => void;

/** Adds the metrics of shadows. Both functions are asked at every scrape; `kinds` are those that a comparison can have. */
export function addMirrorMetrics(
  registry: Registry,
  shadows: () => readonly MirrorReading[],
  pairs: () => PairReading,
  kinds: readonly string[],
): OnCompared {
  const registers = [registry];
  const onCompared = comparedCounters(registers, shadows, kinds);
  addCopyCounters(registers, shadows);
  addGauges(registers, shadows);
  new Counter({
    name: 'sluice_comparisons_total',
    help: 'Pairs of answers, by whether they were compared, dropped because comparing was behind, or lost because it failed.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(pairs())) this.inc({ result }, count);
    },
  });
  return onCompared;
}

const RESULTS = ['offered', 'sent', 'answered', 'failed', 'timed_out'] as const;

type Shadows = () => readonly MirrorReading[];

function comparedCounters(registers: Registry[], shadows: Shadows, kinds: readonly string[]): OnCompared {
  const kindsTotal = new Counter({
    name: 'sluice_shadow_pairs_total',
    help: 'Compared pairs of answers, by how the two relate: same, different, or why they could not be compared.',
    labelNames: ['model', 'shadow', 'kind'],
    registers,
    collect() {
      for (const { model, shadow } of shadows()) for (const kind of kinds) this.inc({ model, shadow, kind }, 0);
    },
  });
  const noiseTotal = new Counter({
    name: 'sluice_shadow_noise_pairs_total',
    help: 'Requests that the baseline answered twice, by whether it agreed with itself: the noise floor.',
    labelNames: ['model', 'shadow', 'kind'],
    registers,
    collect() {
      for (const { model, shadow } of shadows())
        for (const kind of ['same', 'different']) this.inc({ model, shadow, kind }, 0);
    },
  });
  return ({ model, shadow }, counts, noise) => {
    for (const [kind, count] of counts) kindsTotal.inc({ model, shadow, kind }, count);
    noiseTotal.inc({ model, shadow, kind: 'same' }, noise.pairs - noise.different);
    noiseTotal.inc({ model, shadow, kind: 'different' }, noise.different);
  };
}

function addCopyCounters(registers: Registry[], shadows: Shadows): void {
  new Counter({
    name: 'sluice_mirror_copies_total',
    help: 'Copies of requests for a shadow, by what became of them; offered are all of them.',
    labelNames: ['model', 'shadow', 'result'],
    registers,
    collect() {
      this.reset();
      for (const { model, shadow, counts } of shadows())
        for (const result of RESULTS) this.inc({ model, shadow, result }, counts[result]);
    },
  });
  new Counter({
    name: 'sluice_mirror_dropped_total',
    help: 'Copies that were never sent, by the reason.',
    labelNames: ['model', 'shadow', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const { model, shadow, counts } of shadows())
        for (const [reason, count] of Object.entries(counts.dropped)) this.inc({ model, shadow, reason }, count);
    },
  });
}

function addGauges(registers: Registry[], shadows: Shadows): void {
  const gauge = (name: string, help: string, read: (counts: ShadowCounts) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['model', 'shadow'],
      registers,
      collect() {
        this.reset();
        for (const { model, shadow, counts } of shadows()) this.set({ model, shadow }, read(counts));
      },
    });
  gauge('sluice_mirror_in_flight', 'Copies at a server now.', ({ inFlight }) => inFlight);
  gauge('sluice_mirror_waiting', 'Copies that wait to be sent.', ({ waiting }) => waiting);
}
