/** What a store keeps, and for how long. */
export type Retention = {
  /** Comparisons, the newest; about that many. */
  readonly comparisons: number;
  readonly comparisonsMs: number;
  readonly minutesMs: number;
  readonly hoursMs: number;
  /** Seconds of outcome counts. */
  readonly windowsMs: number;
  readonly experimentsMs: number;
  readonly audit: number;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const DEFAULT_RETENTION: Retention = {
  comparisons: 50_000,
  comparisonsMs: 7 * DAY_MS,
  minutesMs: 6 * HOUR_MS,
  hoursMs: 30 * DAY_MS,
  windowsMs: HOUR_MS / 6,
  experimentsMs: 90 * DAY_MS,
  audit: 10_000,
};
