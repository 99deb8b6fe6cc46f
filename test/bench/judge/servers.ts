// Servers, and what happens to them: they freeze, go down or fail for a while.
import { exponential, type Random, randomFrom } from './random.ts';
import type { FaultKind, Pauses, ServerEvent, ServersSpec } from './world-spec.ts';

/** From `from` to before `to`, in seconds. */
export type Fault = { readonly kind: FaultKind; readonly from: number; readonly to: number; readonly part: number };

/** What became of a request at a server. */
export type Served = { readonly kind: 'answered' | 'failed' | 'down'; readonly ms: number };

/** The servers of both arms. */
export class Fleet {
  readonly candidate: readonly Server[];
  readonly baseline: readonly Server[];
  readonly #all: readonly Server[];
  #quietUntil = Number.NEGATIVE_INFINITY;

  constructor({ pools, pauses = [], events = [] }: ServersSpec, seed: number) {
    let stream = 1000;
    const open = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, i) => {
        const id = `${prefix}${i + 1}`;
        const own = events.filter(({ server }) => server === undefined || server === id);
        return new Server(id, [listed(own), ...pauses.map((each) => repeated(each, randomFrom(seed, stream++)))]);
      });
    this.candidate = 'shared' in pools ? open('s', pools.shared) : open('c', pools.candidate);
    this.baseline = 'shared' in pools ? this.candidate : open('b', pools.baseline);
    this.#all = [...new Set([...this.candidate, ...this.baseline])];
    for (const { server } of events) {
      if (server !== undefined && !this.#all.some(({ id }) => id === server)) throw new Error(`no server ${server}`);
    }
  }

  /** Goes to the second that begins at `at`. */
  advance(at: number): void {
    if (at + 1 <= this.#quietUntil) return;
    this.#quietUntil = Math.min(...this.#all.map((server) => server.advance(at)));
  }
}

/** One server in one second; `advance` goes to the next one. */
export class Server {
  readonly id: string;
  readonly #sources: readonly FaultSource[];
  #faults: Fault[] = [];

  constructor(id: string, sources: readonly FaultSource[]) {
    this.id = id;
    this.#sources = sources;
  }

  get isTroubled(): boolean {
    return this.#faults.length > 0;
  }

  /** Returns until when nothing changes. */
  advance(at: number): number {
    this.#faults = this.#faults.filter(({ to }) => to > at);
    for (const source of this.#sources) {
      while (source.next.from < at + 1) {
        if (source.next.to > at) this.#faults.push(source.next);
        source.next = source.after(source.next);
      }
    }
    return this.isTroubled ? at : Math.min(...this.#sources.map(({ next }) => next.from));
  }

  /** How a request fares that arrives at second `at` and would take `ms`. */
  serve(at: number, ms: number, random: Random): Served {
    let kind: Served['kind'] = 'answered';
    let wait = 0;
    for (const fault of this.#faults) {
      if (at >= fault.to || at + ms / 1000 < fault.from) continue;
      if (fault.kind === 'down') return { kind: 'down', ms: 0 };
      if (fault.kind === 'freeze') wait = Math.max(wait, (fault.to - Math.max(at, fault.from)) * 1000);
      else if (at >= fault.from && random() < fault.part) kind = 'failed';
    }
    return { kind, ms: ms + wait };
  }

  /** How many faults begin before second `end`. */
  countUntil(end: number): number {
    let count = 0;
    for (const source of this.#sources) {
      for (; source.next.from < end; source.next = source.after(source.next)) count++;
    }
    return count;
  }
}

/** How many faults the candidate's servers have in the first `seconds`; what happens to all servers at once is one. */
export function faultsIn(spec: ServersSpec | undefined, seed: number, seconds: number): number {
  if (spec === undefined) return 0;
  const common = (spec.events ?? []).filter(({ server, at }) => server === undefined && at < seconds).length;
  const single = (spec.events ?? []).filter(({ server }) => server !== undefined);
  const { candidate } = new Fleet({ ...spec, events: single }, seed);
  return candidate.reduce((sum, server) => sum + server.countUntil(seconds), common);
}

/** Faults one after the other: the next one, and which one comes after it. */
type FaultSource = { next: Fault; after(fault: Fault): Fault };

const NEVER: Fault = { kind: 'freeze', from: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY, part: 1 };

function listed(events: readonly ServerEvent[]): FaultSource {
  const faults = events
    .map(({ kind, at, lengthS, part = 1 }) => ({ kind, from: at, to: at + lengthS, part }))
    .sort((a, b) => a.from - b.from);
  let used = 0;
  const next = () => faults[used++] ?? NEVER;
  return { next: next(), after: next };
}

function repeated({ kind = 'freeze', lengthS, everyS, isRegular = false }: Pauses, random: Random): FaultSource {
  const from = (at: number): Fault => ({ kind, from: at, to: at + lengthS, part: 1 });
  if (isRegular) return { next: from(random() * everyS), after: (fault) => from(fault.from + everyS) };
  const gap = () => exponential(Math.max(0, everyS - lengthS), random);
  return { next: from(gap()), after: (fault) => from(fault.to + gap()) };
}
