// The schema of a stored state: what is not of this shape is no state. Numbers are finite: JSON has no others.
import { z } from 'zod';
import { NO_CROWD } from '../evidence/callers.ts';
import { FAMILIES } from '../evidence/runs.ts';
import { shortened } from './shortened.ts';

/** Far longer than any sentence of ours, with what a person gave as the reason. */
const MOST_OF_A_TEXT = 4096;

const number = z.number();
const count = z.number().min(0);
/** Releases before kept texts of alerts in whatever length. */
const text = z.string().transform((kept) => shortened(kept, MOST_OF_A_TEXT));
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
  since: text.default(''),
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
  z.object({
    name: z.literal('suspended'),
    suspension,
    isHeld: z.boolean(),
    because: text,
    hasGivenUp: z.boolean().optional(),
  }),
  z.object({ name: z.literal('probing'), suspension, isOwnBlock: z.boolean() }),
]);

const families = z.array(count).length(FAMILIES.length);
const logs = z.array(numbers).length(FAMILIES.length);
const odds = z.object({ logs, block: logs, ended: count });
const grown = z.object({ since: text, ms: count, occasions: count, candidate: hits, baseline: hits });
const compared = z.object({ odds: z.array(odds).min(1).max(4), value: count, grown, isBlockHit: z.boolean() });
const detector = z.object({ values: z.array(count).max(64), step: count, ticks: count, spent: count });
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
  crowd: z.object({ candidate: count, baseline: count }).default(NO_CROWD),
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

/** What every document has, of whatever format. */
export const OUTLINE = z.object({
  id: z.string().min(1).max(64),
  epoch: z.int().min(0),
  format: z.int().optional(),
  /** Set by a store in the place of what is no document. */
  damaged: text.optional(),
});

/** A state as it is stored. */
export const STATE = z.object({
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
  inPhase: z.object({
    ms: count,
    waitedMs: count,
    judged: hits,
    slow: hits,
    over: hits,
    compared: hits,
    serverFaults: count,
  }),
  acquittals: z.int().min(0),
  relapses: z.int().min(0),
  excusedUnits: count,
  probes: z.int().min(0),
  edges: z.object({ cpu: numbers, gpu: numbers }),
  edgesMs: count,
  evidence,
  verdict: verdict.optional(),
  said: text.optional(),
});

/** What a state of the first format has that goes on. */
export const FIRST = z.object({
  model: name,
  candidate: name,
  baseline: name,
  phase: z.discriminatedUnion('name', phasesOfFirst),
  startedAt: text.optional(),
  bakedMs: count,
  totalMs: count,
  requests: count,
});
