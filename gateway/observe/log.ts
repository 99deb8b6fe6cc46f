import { type Logger, pino } from 'pino';

export type { Logger };

/** JSON lines on standard output. Headers and bodies never go in: they hold credentials and personal data. */
export function createLog(level: string, name: string): Logger {
  return pino({
    level,
    name,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
