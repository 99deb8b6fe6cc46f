// A rollout's state as it is stored and sent: validated whole, with the number of its format. Releases may run side by side, so a
// document keeps the outline that the first format had: an older gateway reads a suspension as "held, with no callers".
import { z } from 'zod';
import { FAMILIES } from './runs.ts';
import { newRollout, type Phase, type RolloutState } from './state.ts';

/** The format that this release writes. */
export const FORMAT = 2;

/** What a store keeps: it knows id and epoch, the rest is the judge's. */
export type StateDocument = { readonly id: string; readonly epoch: number; readonly [key: string]: unknown };

/** A document as it was read: a state, or why it is none. */
export type Read =
  | { readonly state: RolloutState }
  | { readonly id: string; readonly epoch: number; readonly unreadable: string };

/** The document of a state. */
export function documentOf(state: RolloutState): StateDocument {
  const { id, epoch, model, candidate, baseline, startedAt, bakedMs, totalMs, requests } = state;
  const outline = { id, epoch, model, candidate, baseline, startedAt, bakedMs, totalMs, requests };
  return { ...outline, format: FORMAT, phase: phaseForAll(state.phase), ...FIRST_FORMAT, state };
}

/** The state in a document; one of the first format goes on with fresh evidence and the callers that it had. */
export function readDocument(document: unknown): Read {
  const outline = OUTLINE.safeParse(document);
  if (!outline.success) return { ...nameOf(document), unreadable: problemIn(outline.error) };
  const { id, epoch, format, damaged } = outline.data;
  if (damaged !== undefined) return { id, epoch, unreadable: damaged };
  if (format === undefined) return readFirstFormat(document, id, epoch);
  if (format !== FORMAT)
    return { id, epoch, unreadable: `format ${format} was written by another release; this one reads up to ${FORMAT}` };
  const parsed = STATE.safeParse((document as { state?: unknown }).state);
  if (!parsed.success) return { id, epoch, unreadable: problemIn(parsed.error) };
  // A gateway of the first format has moved it since: it knows the outline alone, and leaves the rest as it was.
  if (parsed.data.id === id && parsed.data.epoch < epoch) return readFirstFormat(document, id, epoch, parsed.data.salt);
  if (parsed.data.id !== id || parsed.data.epoch !== epoch)
    return { id, epoch, unreadable: `it says epoch ${epoch} outside and ${parsed.data.epoch} inside` };
  return { state: parsed.data as RolloutState };
}

/** Why some stored text is no state, with the place: `state.phase.name: ...`. */
function problemIn({ issues }: z.ZodError): string {
  const [first] = issues;
  return first === undefined ? 'it is no state' : `${first.path.join('.') || 'document'}: ${first.message}`;
}

function nameOf(document: unknown): { id: string; epoch: number } {
  const { id, epoch } = (typeof document === 'object' && document !== null ? document : {}) as Record<string, unknown>;
  return { id: typeof id === 'string' ? id : '', epoch: typeof epoch === 'number' ? epoch : 0 };
}

/** To a gateway of the first format a step before the first one is a candidate without callers, which only a person moves. */
function phaseForAll(phase: Phase): unknown {
  const isAway = phase.name === 'suspended' || phase.name === 'probing';
  return isAway ? { name: 'holding', step: -1, why: 'paused' } : phase;
}

const NOTHING_SEEN = { trials: 0, hits: 0 };
const FRESH = { values: [], step: 0, ticks: 0, spent: 0 };
const IDLE = { detector: FRESH, since: '', candidate: [], baseline: [] };

/** What the first format wants beside the outline; a gateway of that format begins its evidence anew with it. */
const FIRST_FORMAT = {
  edges: { cpu: [], gpu: [] },
  evidence: {
    errors: IDLE,
    slow: IDLE,
    errorRate: IDLE,
    latency: IDLE,
    disagreement: IDLE,
    baseline: { errorRate: FRESH, latency: FRESH, recent: { errors: NOTHING_SEEN, over: NOTHING_SEEN, silent: 5 } },
    breaker: 'closed',
    promotion: { log: 0, expected: 0, counted: NOTHING_SEEN },
    comparisons: { raw: NOTHING_SEEN, noise: NOTHING_SEEN },
    examples: { errors: [], slow: [] },
  },
} as const;

// The schema. Numbers are finite: JSON has no others.

const number = z.number();
const count = z.number().min(0);
const text = z.string();
const name = z.string().max(256);
const hits = z.object({ trials: count, hits: count });
const names = z.array(text).max(100);
const numbers = z.array(number).max(64);

const by = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('judge') }),
  z.object({ kind: z.literal('person'), name: text }),
  z.object({ kind: z.literal('alert'), fingerprint: text }),
]);

const guard = z.enum([
  'errors_versus_baseline',
  'latency_versus_baseline',
  'error_rate',
  'latency_p99',
  'disagreement',
  'consecutive_failures',
  'servers',
]);

const reading = z.object({
  guard,
  is: z.enum(['quiet', 'doubtful', 'raised', 'shared']),
  evidence: number,
  needed: number,
  since: text,
  grewMs: count.default(0),
  candidate: hits,
  baseline: hits,
});

const verdict = z.object({
  kind: z.enum(['pass', 'fail', 'insufficient', 'error']),
  guard: guard.optional(),
  sentence: text,
  readings: z.array(reading).max(20),
  examples: names,
});

const step = z.int().min(0);
const phases = {
  pending: z.object({ name: z.literal('pending') }),
  step: z.object({ name: z.literal('step'), step }),
  holding: z.object({
    name: z.literal('holding'),
    step,
    why: z.enum(['paused', 'frozen', 'inconclusive', 'cannot_tell', 'no_room']),
  }),
  awaiting: z.object({ name: z.literal('awaiting_approval'), step }),
  promoted: z.object({ name: z.literal('promoted'), guardLeftMs: number, isNamed: z.boolean() }),
  rolledBack: z.object({
    name: z.literal('rolled_back'),
    rollback: z.object({
      at: text,
      by,
      guard: guard.optional(),
      sentence: text,
      readings: z.array(reading).max(20),
      examples: names,
    }),
  }),
};

const { pending, holding, awaiting, promoted, rolledBack } = phases;
const phasesOfFirst = [pending, phases.step, holding, awaiting, promoted, rolledBack] as const;

const suspension = z.object({
  from: z.discriminatedUnion('name', [phases.step, holding, awaiting, promoted]),
  guard,
  sentence: text,
  rate: z.number().min(0).max(1),
  grewMs: count,
  units: count,
  failedProbes: z.int().min(0),
  crashes: z.int().min(0),
  isNobodyElse: z.boolean(),
});

const phase = z.discriminatedUnion('name', [
  ...phasesOfFirst,
  z.object({ name: z.literal('suspended'), suspension, isHeld: z.boolean() }),
  z.object({ name: z.literal('probing'), suspension, isOwnBlock: z.boolean() }),
]);

const families = z.array(count).length(FAMILIES.length);
const logs = z.array(numbers).length(FAMILIES.length);
const odds = z.object({ logs, block: logs, ended: count });
const grown = z.object({ since: text, ms: count, occasions: count, candidate: hits, baseline: hits });
const compared = z.object({ odds: z.array(odds).min(1).max(4), value: count, grown, isBlockHit: z.boolean() });
const detector = z.object({ values: numbers, step: number, ticks: count, spent: number });
const ceiling = z.object({ detector, grown });
const faded = z.object({ active: count, failing: count, requests: count, failed: count, serverFaults: count });
const arm = z.object({ fast: faded, slow: faded });

const evidence = z.object({
  clock: z.object({ runs: families, ages: families, blockMs: count }),
  errors: compared,
  slow: compared,
  looks: z.object({
    count: z.int().min(0),
    value: count,
    strongest: z.object({ index: step, p: number, candidate: number, baseline: number }).optional(),
  }),
  errorRate: ceiling,
  latency: ceiling,
  disagreement: ceiling,
  baseline: z.object({ errorRate: detector, latency: detector }),
  recent: z.object({
    candidate: arm,
    baseline: arm,
    allFailed: z.object({ seconds: count, requests: count }),
    silent: count,
  }),
  breaker: z.enum(['closed', 'open', 'shared', 'servers']),
  failingUnits: count,
  examples: z.object({ errors: names, slow: names }),
  promotion: z.object({ log: number, expected: number, counted: hits }),
  comparisons: z.object({ raw: hits, noise: hits }),
});

const OUTLINE = z.object({
  id: z.string().min(1).max(64),
  epoch: z.int().min(0),
  format: z.int().optional(),
  /** Set by a store in the place of what is no document. */
  damaged: text.optional(),
});

const STATE = z.object({
  id: z.string().min(1).max(64),
  model: name,
  candidate: name,
  baseline: name,
  epoch: z.int().min(0),
  phase,
  salt: name.optional(),
  startedAt: text.optional(),
  bakedMs: count,
  totalMs: count,
  requests: count,
  inPhase: z.object({ ms: count, waitedMs: count, judged: hits, slow: hits, over: hits, compared: hits, serverFaults: count }),
  acquittals: z.int().min(0),
  excusedUnits: count,
  probes: z.int().min(0),
  edges: z.object({ cpu: numbers, gpu: numbers }),
  edgesMs: count,
  evidence,
  verdict: verdict.optional(),
  said: text.optional(),
});

/** What a state of the first format has that goes on. */
const FIRST = z.object({
  model: name,
  candidate: name,
  baseline: name,
  phase: z.discriminatedUnion('name', phasesOfFirst),
  startedAt: text.optional(),
  bakedMs: count,
  totalMs: count,
  requests: count,
});

function readFirstFormat(document: unknown, id: string, epoch: number, known?: string): Read {
  const parsed = FIRST.safeParse(document);
  if (!parsed.success) return { id, epoch, unreadable: problemIn(parsed.error) };
  const { model, candidate, baseline, ...rest } = parsed.data;
  // That format drew its callers with the model's salt.
  const salt = known ?? `${model}.canary`;
  return { state: { ...newRollout(id, model, candidate, baseline, salt), epoch, ...rest } as RolloutState };
}
