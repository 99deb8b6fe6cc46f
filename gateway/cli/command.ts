import type { OptionTable, Values } from './options.ts';

/** One `sluice` command. `run` resolves when the command has done its work or its server runs; errors are UserErrors. */
export type Command<T extends OptionTable> = {
  readonly usage: string;
  readonly about: string;
  readonly options: T;
  readonly run: (values: Values<T>) => Promise<void>;
};

/** A command whose options only it knows. */
// biome-ignore lint/suspicious/noExplicitAny: main calls each command with the values parsed from that command's own table
export type AnyCommand = Command<any>;
