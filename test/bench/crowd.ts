// Crowds of callers who are not alike, one request after the other through the real counter; keyed by caller, or not.
import { Arms } from '../../gateway/judge/arms.ts';
import type { Heard } from '../../gateway/judge/counter.ts';
import { newRollout } from '../../gateway/judge/state.ts';
import type { Traffic } from '../../gateway/judge/weigh.ts';
import type { Rollout } from '../../gateway/policy/policy.ts';
import { poisson, randomFrom } from './simulate.ts';

const SHARE = 0.05;

/** Ticks of traffic from a seed; keyed by caller, or not. */
export type Draw = (isKeyed: boolean, seed: number, rollout: Rollout) => () => Traffic;

/** 100 requests a second by callers who each come once, but for those that fail: they retry in the seconds that follow. */
export function retried(burst: (random: () => number) => number): Draw {
  return (isKeyed, seed, rollout) => {
    const random = randomFrom(seed);
    const crowd = new Crowd(isKeyed, rollout);
    let retries: { readonly caller: number; readonly isMine: boolean; readonly left: number }[] = [];
    return () => {
      for (const { caller, isMine } of retries) crowd.ask(caller, isMine, true);
      retries = retries.flatMap((retry) => (retry.left > 1 ? [{ ...retry, left: retry.left - 1 }] : []));
      for (let i = poisson(100, random); i > 0; i--) {
        const [caller, isMine] = [crowd.next++, random() < SHARE];
        const failures = random() < 0.005 ? burst(random) : 0;
        crowd.ask(caller, isMine, failures > 0);
        if (failures > 1) retries.push({ caller, isMine, left: failures - 1 });
      }
      return crowd.take();
    };
  };
}

/** 50 requests a second by callers who come once and fail in 1 %, and 50 by forty who never fail. */
export const skewed: Draw = (isKeyed, seed, rollout) => {
  const random = randomFrom(seed);
  const crowd = new Crowd(isKeyed, rollout);
  const heavy = Array.from({ length: 40 }, () => ({ caller: crowd.next++, isMine: random() < SHARE }));
  return () => {
    for (const { caller, isMine } of heavy)
      for (let i = poisson(1.25, random); i > 0; i--) crowd.ask(caller, isMine, false);
    for (let i = poisson(50, random); i > 0; i--) crowd.ask(crowd.next++, random() < SHARE, random() < 0.01);
    return crowd.take();
  };
};

/** Callers by number, and both arms as a gateway counts them. */
class Crowd {
  next = 0;
  readonly #isKeyed: boolean;
  readonly #arms: Arms;

  constructor(isKeyed: boolean, rollout: Rollout) {
    this.#isKeyed = isKeyed;
    this.#arms = new Arms(newRollout('bench', 'm', 'v2', 'v1'), rollout);
  }

  ask(caller: number, isMine: boolean, isError: boolean): void {
    this.#arms.count(isMine ? 'candidate' : 'baseline', heard(this.#isKeyed ? `u${caller}` : undefined, isError));
  }

  take(): Traffic {
    return this.#arms.take(1000);
  }
}

function heard(unit: string | undefined, isError: boolean): Heard {
  const kind = isError ? 'model_fault' : 'ok';
  return { id: 'r', unit, attempt: 1, serverClass: 'cpu', class: kind, fault: undefined, latencyMs: 10 };
}
