// Keeps traffic away from a candidate until its servers have said that it takes the baseline's inputs and gives its outputs.
import { pathOf } from '../../policy/paths.ts';
import type { Policy, ServedModel, Version } from '../../policy/policy.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { type Signature, signatureIn, whyIncompatible } from './capability.ts';
import { look } from './look.ts';

const NOT_CHECKED = 'its inputs and outputs are not checked yet';
const AGAIN_MS = 1000;
const REFRESH_MS = 30_000;

type Pair = { readonly key: string; readonly baseline: Version; readonly candidate: Version };
/** A text says why not; `admitted` may receive traffic. */
type Verdict = { readonly why: string | undefined; readonly nextAt: number };

export class Admission {
  readonly #fleet: Fleet;
  readonly #onNews: (version: Version, why: string | undefined) => void;
  readonly #timer: NodeJS.Timeout;
  #pairs: ReadonlyMap<string, Pair> = new Map();
  #verdicts = new Map<string, Verdict>();
  #withheld = new Map<Version, string>();
  #checking: Promise<void> | undefined;

  /** `onNews` hears when a candidate is turned away, with the reason, or admitted after that. */
  constructor(fleet: Fleet, policy: Policy, onNews: (version: Version, why: string | undefined) => void) {
    this.#fleet = fleet;
    this.#onNews = onNews;
    this.update(policy);
    this.#timer = setInterval(() => void this.check(), AGAIN_MS).unref();
  }

  /** Candidates that may not receive traffic, with the reason. */
  get withheld(): ReadonlyMap<Version, string> {
    return this.#withheld;
  }

  /** Takes over another policy's candidates. What is known of one that has not changed stays known. */
  update({ onTrial }: Policy): void {
    const pairs = onTrial.flatMap(pairsOf);
    this.#pairs = new Map(pairs.map((pair) => [pair.key, pair]));
    const known = this.#verdicts;
    this.#verdicts = new Map(pairs.map(({ key }) => [key, known.get(key) ?? { why: NOT_CHECKED, nextAt: 0 }]));
    this.#withheld = new Map(
      pairs.flatMap(({ key, candidate }) => {
        const why = this.#verdicts.get(key)?.why;
        return why === undefined ? [] : [[candidate, why] as const];
      }),
    );
    void this.check();
  }

  /** Asks about every candidate whose time has come; one round at a time. */
  check(): Promise<void> {
    this.#checking ??= this.#checkAll().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #checkAll(): Promise<void> {
    const now = performance.now();
    const due = [...this.#pairs.values()].filter(({ key }) => (this.#verdicts.get(key)?.nextAt ?? 0) <= now);
    await Promise.all(due.map((pair) => this.#checkOne(pair)));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #checkOne({ key, baseline, candidate }: Pair): Promise<void> {
    const [was, is] = await Promise.all([this.#signatureOf(baseline), this.#signatureOf(candidate)]);
    const before = this.#verdicts.get(key);
    if (before === undefined) return; // another policy is in force
    const now = performance.now();
    if (was === 'silent' || is === 'silent') {
      this.#verdicts.set(key, { ...before, nextAt: now + AGAIN_MS });
      return;
    }
    // A server that does not describe its models cannot be asked; holding its candidates back for ever would help no one.
    const why = was === 'undescribed' || is === 'undescribed' ? undefined : whyIncompatible(was, is);
    this.#verdicts.set(key, { why, nextAt: now + (why === undefined ? REFRESH_MS : AGAIN_MS) });
    const current = this.#pairs.get(key)?.candidate ?? candidate; // another policy may have made it anew
    if (why === undefined) this.#withheld.delete(current);
    else this.#withheld.set(current, why);
    if (why !== before.why && !(why === undefined && before.why === NOT_CHECKED)) this.#onNews(candidate, why);
  }

  async #signatureOf(version: Version): Promise<Signature | 'undescribed' | 'silent'> {
    const metadata = pathOf(version, 'metadata');
    if (metadata === undefined) return 'undescribed';
    for (const seat of this.#fleet.placementOf(version).seats) {
      const seen = await look(seat.server, metadata);
      if ('silence' in seen || seen.status === 503 || seen.status === 404) continue; // not here, or not yet
      return (seen.status === 200 ? signatureIn(seen.json) : undefined) ?? 'undescribed';
    }
    return 'silent';
  }
}

/** Every version that a rollout or an experiment sends callers of the baseline to. */
function pairsOf({ rollouts, experiment, baseline }: ServedModel): readonly Pair[] {
  const candidates = new Set([
    ...rollouts.map(({ candidate }) => candidate),
    ...(experiment?.arms ?? []).map(({ version }) => version),
  ]);
  candidates.delete(baseline);
  return [...candidates]
    .filter(({ protocol }) => protocol === 'oip')
    .map((candidate) => ({ key: keyOf(baseline, candidate), baseline, candidate }));
}

function keyOf(...versions: readonly Version[]): string {
  return JSON.stringify(versions.map(({ model, label, servers, upstream }) => [model, label, servers, upstream]));
}
