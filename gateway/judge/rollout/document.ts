// A rollout's state as it is stored and sent: validated whole, with the number of its format. Releases may run side by side, so a
// document keeps the outline that the first format had: an older gateway reads a suspension as "held, with no callers".
import type { z } from 'zod';
import { FIRST, OUTLINE, STATE } from './schema.ts';
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

function readFirstFormat(document: unknown, id: string, epoch: number, known?: string): Read {
  const parsed = FIRST.safeParse(document);
  if (!parsed.success) return { id, epoch, unreadable: problemIn(parsed.error) };
  const { model, candidate, baseline, ...rest } = parsed.data;
  // That format drew its callers with the model's salt.
  const salt = known ?? `${model}.canary`;
  return { state: { ...newRollout(id, model, candidate, baseline, salt), epoch, ...rest } as RolloutState };
}
