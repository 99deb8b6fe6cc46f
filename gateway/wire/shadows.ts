// Wires the shadows: what is copied, who compares, where it is remembered.
import type { Subject } from '../compare/batch.ts';
import { Comparer } from '../compare/comparer.ts';
import { COMPARISON_KINDS } from '../compare/comparison.ts';
import { disagreementIn } from '../compare/disagreement.ts';
import { type CompareSpec, shadowKey } from '../compare/spec.ts';
import { copying, type Shadows } from '../conduct/shadows.ts';
import { unlessReportedByStore } from '../errors.ts';
import { Mirror } from '../forward/mirror/mirror.ts';
import type { Comparisons } from '../judge/evidence/disagreement.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { addMirrorMetrics, type MirrorReading } from '../observe/mirror-metrics.ts';
import { troubleLog } from '../observe/trouble-log.ts';
import type { Model, Policy, Version } from '../policy/policy.ts';
import type { ShadowCounts } from '../standings.ts';
import type { Sums } from '../statistics/sums.ts';
import type { Store } from '../store/store.ts';

/** How often orders to shadows are looked up that other gateways were given. */
const ORDERS_MS = 1000;

type Parts = {
  /** As they are served now. */
  readonly models: () => ReadonlyMap<string, Model>;
  readonly isBusy: () => boolean;
  /** The SHA-256 of a version's model file, as far as it is known. */
  readonly digestOf: (version: Version) => string | undefined;
  /** Hears what comparisons of a version with another version of its own model add. */
  readonly onCompared: (model: string, candidate: string, comparisons: Comparisons) => void;
  readonly store: Pick<Store, 'comparisons' | 'shadowOrders'>;
  readonly metrics: Metrics;
  readonly log: Logger;
};

/** Opens the shadows of a policy. */
export function openShadows(policy: Policy, parts: Parts): Shadows {
  const { models, isBusy, digestOf, onCompared, store, metrics, log } = parts;
  const comparer = new Comparer({
    sink: (batch) => {
      store.comparisons.append(batch);
      for (const { subject, sums } of batch.deltas) {
        countPairs(subject, kindsIn(sums), noiseIn(sums));
        if (isOwn(subject, models())) onCompared(subject.model, subject.candidate, comparisonsIn(sums));
      }
    },
    onTrouble: troubleLog(log, 'comparing failed; pairs it had are counted as failed'),
  });
  const mirror = new Mirror(policy, { onPair: (pair) => comparer.offer(pair), isBusy, digestOf });
  comparer.configure(specsOf(policy));
  const orders = followOrders(mirror, parts);
  const countPairs = addMirrorMetrics(
    metrics.registry,
    () => readings(mirror.counts()),
    () => comparer.counters(),
    COMPARISON_KINDS,
  );
  return {
    ...copying({ models, mirror, order: orders.order }),
    update(next) {
      mirror.update(next);
      orders.apply();
      comparer.configure(specsOf(next));
    },
    async close() {
      orders.close();
      await mirror.close();
      await comparer.close();
    },
  };
}

/** Pauses shadows as people ordered, here or at another gateway. While the store is away, what was ordered last is in force. */
function followOrders(mirror: Mirror, { store, log }: Parts) {
  const apply = () => mirror.pause(store.shadowOrders.paused());
  const onTrouble = unlessReportedByStore(troubleLog(log, 'orders to shadows'));
  apply();
  const timer = setInterval(() => void store.shadowOrders.refresh().catch(onTrouble).then(apply), ORDERS_MS).unref();
  return {
    apply,
    order(model: string, shadow: string, isPaused: boolean): Promise<{ shared: boolean }> {
      const ordered = store.shadowOrders.order(shadowKey(model, shadow), isPaused);
      apply();
      return ordered;
    },
    close: () => clearInterval(timer),
  };
}

function kindsIn(sums: Sums): ReadonlyMap<string, number> {
  return new Map(
    COMPARISON_KINDS.flatMap((kind) => {
      const count = sums.get(`kind/${kind}`);
      return count === undefined ? [] : [[kind, count] as const];
    }),
  );
}

function noiseIn(sums: Sums): { readonly pairs: number; readonly different: number } {
  return { pairs: sums.get('noise/pairs') ?? 0, different: sums.get('noise/different') ?? 0 };
}

/** What the judge hears of comparisons. */
function comparisonsIn(sums: Sums): Comparisons {
  return {
    raw: disagreementIn((kind) => sums.get(`kind/${kind}`) ?? 0),
    noise: { trials: noiseIn(sums).pairs, hits: noiseIn(sums).different },
  };
}

/** Whether a shadow's candidate is a version of the model itself, and not another model. */
function isOwn({ model, shadow }: Subject, models: ReadonlyMap<string, Model>): boolean {
  const served = models.get(model);
  return (
    served?.kind === 'served' && served.shadows.some(({ name, target }) => name === shadow && target.model === model)
  );
}

function specsOf({ onTrial }: Policy): ReadonlyMap<string, CompareSpec> {
  const specs = new Map<string, CompareSpec>();
  for (const model of onTrial)
    for (const { name, compare } of model.shadows) specs.set(shadowKey(model.name, name), compare);
  return specs;
}

function readings(counts: ReadonlyMap<string, ShadowCounts>): MirrorReading[] {
  return [...counts].map(([key, each]) => {
    const [model = '', shadow = ''] = key.split('/');
    return { model, shadow, counts: each };
  });
}
