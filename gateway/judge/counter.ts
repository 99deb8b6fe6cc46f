import type { Outcome } from '../flow.ts';
import { countOutcome } from './count.ts';
import { emptyHistogram, recordLatency } from './histogram.ts';
import { Levels } from './levels.ts';
import { EXAMPLES, emptyTally, type ServerClass, SILENCE, type Tally } from './tally.ts';

/** An outcome as the judge hears of it. */
export type Heard = Pick<Outcome, 'id' | 'class' | 'fault' | 'latencyMs'> & {
  /** Who asked; undefined when the request did not say, and then every request counts. */
  readonly unit: string | undefined;
  /** 1 for the first. */
  readonly attempt: number;
  readonly serverClass: ServerClass;
};

/** Where slowness is asked, in milliseconds, by class of servers, and the ceiling of the latency where there is one. */
export type Limits = {
  readonly edges: Readonly<Record<ServerClass, readonly number[]>>;
  readonly latencyMs: number | undefined;
  /** False where nothing judges the candidate: then requests are counted and no more. */
  readonly isJudged: boolean;
};

/** Counts the outcomes of one arm, tick by tick; `Arms` has two of them. */
export class Counter {
  readonly #limits: Limits;
  readonly #errors = new Levels(1);
  readonly #over: Levels;
  readonly #slow: Readonly<Record<ServerClass, Levels>>;
  #tally = freshTally();
  #streak = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#over = new Levels(limits.latencyMs === undefined ? 0 : 1);
    this.#slow = { cpu: new Levels(limits.edges.cpu.length), gpu: new Levels(limits.edges.gpu.length) };
  }

  /** Takes in one outcome. */
  count(heard: Heard): void {
    if (heard.attempt > 1) this.#tally.repeats++;
    else this.#tally.outcomes[heard.class]++;
    if (!this.#limits.isJudged) return;
    const { isError, latencyMs, isCensored } = countOutcome(heard, heard.attempt);
    if (isError !== undefined) this.#countError(heard, isError);
    if (latencyMs !== undefined) this.#countLatency(heard, latencyMs, isCensored);
  }

  /** Ends a tick, and starts the next one. */
  take(): Tally {
    const { outcomes, repeats, histograms, longest, examples } = this.#tally;
    const [errors = SILENCE] = this.#errors.take();
    const [over = SILENCE] = this.#over.take();
    const slow = (kind: ServerClass) => ({ edges: this.#limits.edges[kind], signals: this.#slow[kind].take() });
    const tally = { outcomes, repeats, errors, over, slow: { cpu: slow('cpu'), gpu: slow('gpu') } };
    this.#tally = freshTally();
    this.#tally.longest = this.#streak;
    return { ...tally, histograms, streak: { latest: this.#streak, longest }, examples };
  }

  /** Ends the minute: every caller counts again. */
  forget(): void {
    for (const levels of this.#all) levels.forget();
  }

  /** Whether so many callers are remembered that the minute should end early. */
  get isFull(): boolean {
    return this.#all.some((levels) => levels.isFull);
  }

  get #all(): readonly Levels[] {
    return [this.#errors, this.#over, this.#slow.cpu, this.#slow.gpu];
  }

  #countError({ id, unit }: Heard, isError: boolean): void {
    const isNew = this.#errors.count(unit, isError ? 1 : 0);
    if (!isError) this.#streak = 0;
    if (!isError || !isNew) return;
    this.#streak++;
    this.#tally.longest = Math.max(this.#tally.longest, this.#streak);
    keep(this.#tally.examples.errors, id);
  }

  #countLatency({ id, unit, serverClass }: Heard, ms: number, isCensored: boolean): void {
    recordLatency(this.#tally.histograms[serverClass], ms);
    const { edges, latencyMs: ceiling } = this.#limits;
    const own = edges[serverClass];
    let level = 0;
    for (const edge of own) if (ms > edge) level++;
    const isNew = this.#slow[serverClass].count(unit, level, isCensored ? level : own.length);
    const isOver = ceiling !== undefined && ms > ceiling;
    if (ceiling !== undefined && (isOver || !isCensored)) this.#over.count(unit, isOver ? 1 : 0);
    // Half of all answers are slower than the lowest edge; those are no examples.
    if (isOver || (isNew && level > 1)) keep(this.#tally.examples.slow, id);
  }
}

function freshTally() {
  return {
    outcomes: { ...emptyTally().outcomes },
    repeats: 0,
    histograms: { cpu: emptyHistogram(), gpu: emptyHistogram() },
    longest: 0,
    examples: { errors: [] as string[], slow: [] as string[] },
  };
}

function keep(examples: string[], id: string): void {
  if (examples.length < EXAMPLES) examples.push(id);
}
