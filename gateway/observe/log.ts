import { type Logger, pino } from 'pino';
import { Counter, type Registry } from 'prom-client';
import { LogOutput } from './log-output.ts';

export type { Logger };

/** The log of a server, and what has become of its lines. */
export type Log = {
  readonly log: Logger;
  /** Lines that were dropped because standard output did not take them. */
  readonly dropped: () => number;
};

/** JSON lines on standard output. Headers and bodies never go in: they hold credentials and personal data. */
export function createLog(level: string, name: string): Log {
  const output = new LogOutput(process.stdout, (dropped) =>
    log.warn({ dropped }, 'log lines were dropped, because standard output did not take them'),
  );
  const options = {
    level,
    name,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const log = pino(options, output);
  return { log, dropped: () => output.dropped };
}

/** Exports how many lines a log has dropped. */
export function addLogMetrics(registry: Registry, { dropped }: Log): void {
  new Counter({
    name: 'sluice_log_lines_dropped_total',
    help: 'Log lines that were dropped because standard output did not take them: nobody reads it, or the disk is full.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(dropped());
    },
  });
}
