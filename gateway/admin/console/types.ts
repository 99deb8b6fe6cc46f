// What the page reads of the API's answers; the same types as the gateway's own.
import type { Summaries } from '../comparisons.ts';
import type { statusOf } from '../status.ts';

export type Status = ReturnType<typeof statusOf>;
export type ModelStatus = Status['models'][string];
export type ServedStatus = Exclude<ModelStatus, { tiers: unknown }>;
export type { Comparison } from '../../compare/comparison.ts';
export type { FieldSummary, LatencyBand, Summary } from '../../compare/summary.ts';
export type { RolloutStanding } from '../../judge/rollout/told.ts';
export type { LadderStanding, ShadowStanding } from '../../standings.ts';
export type { Rate } from '../../statistics/proportion.ts';
export type { TierReport } from '../calibration.ts';
export type { SubjectSummary, Summaries } from '../comparisons.ts';
export type { ExperimentReport } from '../experiments.ts';

/** Summaries with the fields that people have marked as noise, by `model/shadow`. */
export type MarkedSummaries = Summaries & { readonly marked: Readonly<Record<string, readonly string[]>> };
