// Crowds of callers who are not alike, one request after the other through the real counter; keyed by caller, or not.
import { Counter, type Heard } from '../../gateway/judge/counter.ts';
import type { Traffic } from '../../gateway/judge/weigh.ts';
import { poisson, randomFrom } from './simulate.ts';

const SHARE = 0.05;

/** 100 requests a second by callers who each come once, but for those that fail: they retry in the seconds that follow. */
export function retried(burst: (random: () => number) => number): (isKeyed: boolean, seed: number) => () => Traffic {
  return (isKeyed, seed) => {
    const random = randomFrom(seed);
    const arms = new Arms(isKeyed);
    let retries: { readonly caller: number; readonly isMine: boolean; readonly left: number }[] = [];
    return () => {
      for (const { caller, isMine } of retries) arms.ask(caller, isMine, true);
      retries = retries.flatMap((retry) => (retry.left > 1 ? [{ ...retry, left: retry.left - 1 }] : []));
      for (let i = poisson(100, random); i > 0; i--) {
        const [caller, isMine] = [arms.next++, random() < SHARE];
        const failures = random() < 0.005 ? burst(random) : 0;
        arms.ask(caller, isMine, failures > 0);
        if (failures > 1) retries.push({ caller, isMine, left: failures - 1 });
      }
      return arms.take();
    };
  };
}

/** 50 requests a second by callers who come once and fail in 1 %, and 50 by forty who never fail. */
export function skewed(isKeyed: boolean, seed: number): () => Traffic {
  const random = randomFrom(seed);
  const arms = new Arms(isKeyed);
  const heavy = Array.from({ length: 40 }, () => ({ caller: arms.next++, isMine: random() < SHARE }));
  return () => {
    for (const { caller, isMine } of heavy)
      for (let i = poisson(1.25, random); i > 0; i--) arms.ask(caller, isMine, false);
    for (let i = poisson(50, random); i > 0; i--) arms.ask(arms.next++, random() < SHARE, random() < 0.01);
    return arms.take();
  };
}

/** Both arms as a gateway counts them, callers by number. */
class Arms {
  next = 0;
  readonly #isKeyed: boolean;
  readonly #candidate = new Counter({ edges: { cpu: [], gpu: [] }, latencyMs: undefined });
  readonly #baseline = new Counter({ edges: { cpu: [], gpu: [] }, latencyMs: undefined });

  constructor(isKeyed: boolean) {
    this.#isKeyed = isKeyed;
  }

  ask(caller: number, isMine: boolean, isError: boolean): void {
    (isMine ? this.#candidate : this.#baseline).count(heard(this.#isKeyed ? `u${caller}` : undefined, isError));
  }

  take(): Traffic {
    return { candidate: this.#candidate.take(1000), baseline: this.#baseline.take(1000) };
  }
}

function heard(unit: string | undefined, isError: boolean): Heard {
  const kind = isError ? 'model_fault' : 'ok';
  return { id: 'r', unit, attempt: 1, serverClass: 'cpu', class: kind, fault: undefined, latencyMs: 10 };
}
