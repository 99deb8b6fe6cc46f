// The conductor of copies: which shadows a request is copied to, and which of them are paused.
import { type Copy, copiesOf } from '../decide/shadow.ts';
import type { Answer, Facts } from '../flow.ts';
import type { Mirror } from '../forward/mirror/mirror.ts';
import type { Original } from '../forward/mirror/original.ts';
import type { Tap } from '../forward/tap.ts';
import type { Model, Policy, Shadow, Version } from '../policy/policy.ts';
import type { ShadowStanding } from '../standings.ts';
import type { Served } from './choose.ts';

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

type CopyingDeps = {
  /** As they are served now. */
  readonly models: () => ReadonlyMap<string, Model>;
  readonly mirror: Pick<Mirror, 'tap' | 'offer' | 'laneOf'>;
  /** Makes an order last, and effective here. */
  readonly order: (model: string, shadow: string, isPaused: boolean) => Promise<{ shared: boolean }>;
};

/** Copies requests as the shadows of their models say. */
export function copying({ models, mirror, order }: CopyingDeps): Omit<Shadows, 'update' | 'close'> {
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
    pause: async (model, name, isPaused) =>
      shadowsOf(model).some((shadow) => shadow.name === name) ? order(model, name, isPaused) : undefined,
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
