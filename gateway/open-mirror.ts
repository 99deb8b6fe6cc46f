// Wires the shadows: what is copied, who compares, where it is remembered.
import type { Served } from './choose.ts';
import type { Subject } from './compare/batch.ts';
import { Comparer } from './compare/comparer.ts';
import { COMPARISON_KINDS } from './compare/comparison.ts';
import { disagreementIn } from './compare/disagreement.ts';
import { type CompareSpec, shadowKey } from './compare/spec.ts';
import { type Copy, copiesOf } from './decide/shadow.ts';
import type { Answer, Facts } from './flow.ts';
import { Mirror, type Original } from './forward/mirror.ts';
import type { LaneCounts } from './forward/mirror-lane.ts';
import type { Tap } from './forward/tap.ts';
import type { Comparisons } from './judge/disagreement.ts';
import type { Logger } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import { addMirrorMetrics, type MirrorReading } from './observe/mirror-metrics.ts';
import { troubleLog } from './observe/trouble-log.ts';
import type { Model, Policy, Shadow, Version } from './policy/policy.ts';
import type { Sums } from './statistics/sums.ts';
import { type Store, unlessReportedByStore } from './store/store.ts';

/** How often orders to shadows are looked up that other gateways were given. */
const ORDERS_MS = 1000;

/** A shadow as it is now. */
export type ShadowStanding = {
  readonly name: string;
  /** `v2`, or another model's name. */
  readonly target: string;
  readonly sample: number;
  readonly isPaused: boolean;
  /** Of this gateway, since it started. */
  readonly counts: LaneCounts;
};

/** The shadows of a running gateway. */
export type Shadows = {
  /** What keeps the bodies of a streamed request, where copies of it are to follow. */
  readonly tapFor: (facts: Facts, decision: Served, version: Version, method: string | undefined) => Tap | undefined;
  /** Hears of every answer to a prediction, and of every streamed one that has a tap. */
  readonly answered: (
    facts: Facts,
    decision: Served,
    version: Version,
    answer: Answer,
    streamed?: Original['streamed'],
  ) => void;
  readonly standingsOf: (model: string) => readonly ShadowStanding[];
  /**
   * Stops copies, or lets them go on, at every gateway; undefined when there is no such shadow. Rejects when it cannot be
   * made to last.
   */
  readonly pause: (model: string, shadow: string, isPaused: boolean) => Promise<{ shared: boolean } | undefined>;
  readonly update: (policy: Policy) => void;
  readonly close: () => Promise<void>;
};

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
export function openShadows(
  policy: Policy,
  { models, isBusy, digestOf, onCompared, store, metrics, log }: Parts,
): Shadows {
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
  mirror.pause(store.shadowOrders.paused());
  const onOrdersTrouble = unlessReportedByStore(troubleLog(log, 'orders to shadows'));
  // While the store is away, what was ordered last is in force.
  const followOrders = () =>
    store.shadowOrders
      .refresh()
      .catch(onOrdersTrouble)
      .then(() => mirror.pause(store.shadowOrders.paused()));
  const ordersTimer = setInterval(() => void followOrders(), ORDERS_MS).unref();
  const countPairs = addMirrorMetrics(
    metrics.registry,
    () => readings(mirror.counts()),
    () => comparer.counters(),
    COMPARISON_KINDS,
  );
  const shadowsOf = (model: string): readonly Shadow[] => {
    const served = models().get(model);
    return served?.kind === 'served' ? served.shadows : [];
  };
  const copiesFor = ({ id }: Facts, decision: Served, { label }: Version): readonly Copy[] => {
    const model = models().get(decision.model);
    return model?.kind !== 'served' || model.shadows.length === 0 ? NO_COPIES : copiesOf(model, label, id);
  };
  return {
    tapFor: (facts, decision, version, method) =>
      COPIED_METHODS.has(method ?? '') && copiesFor(facts, decision, version).length > 0 ? mirror.tap() : undefined,
    answered(facts, decision, version, answer, streamed) {
      const copies = copiesFor(facts, decision, version);
      if (copies.length === 0) return void streamed?.tap.end();
      mirror.offer(
        { facts, version, answer, unit: decision.sorted?.unit, tier: decision.tier, streamed },
        copies.map(({ shadow, isRepeated }) => ({ shadow, target: targetOf(shadow, models()), isRepeated })),
      );
    },
    standingsOf: (model) =>
      shadowsOf(model).map((shadow) => {
        const lane = mirror.laneOf(model, shadow);
        return {
          name: shadow.name,
          target: shadow.target.version ?? shadow.target.model,
          sample: (shadow.live.to - shadow.live.from) / 1_000_000,
          isPaused: lane.isPaused,
          counts: lane.counts(),
        };
      }),
    async pause(model, name, isPaused) {
      if (!shadowsOf(model).some((shadow) => shadow.name === name)) return undefined;
      const ordered = store.shadowOrders.order(shadowKey(model, name), isPaused);
      mirror.pause(store.shadowOrders.paused());
      return ordered;
    },
    update(next) {
      mirror.update(next);
      mirror.pause(store.shadowOrders.paused());
      comparer.configure(specsOf(next));
    },
    async close() {
      clearInterval(ordersTimer);
      await mirror.close();
      await comparer.close();
    },
  };
}

const NO_COPIES: readonly Copy[] = [];
/** Of protocol http: what asks a model something. Others change or remove what the candidate may share with the baseline. */
const COPIED_METHODS: ReadonlySet<string> = new Set(['GET', 'POST']);

/** The version that a shadow stands for now: of another model it is the baseline. */
function targetOf({ target }: Shadow, models: ReadonlyMap<string, Model>): Version | undefined {
  const model = models.get(target.model);
  if (model?.kind !== 'served') return undefined;
  return target.version === undefined ? model.baseline : model.versions.get(target.version);
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

function readings(counts: ReadonlyMap<string, LaneCounts>): MirrorReading[] {
  return [...counts].map(([key, { offered, sent, answered, failed, timed_out, dropped, inFlight, waiting }]) => {
    const [model = '', shadow = ''] = key.split('/');
    return { model, shadow, copies: { offered, sent, answered, failed, timed_out }, dropped, inFlight, waiting };
  });
}
