#!/usr/bin/env node
// The `sluice` command: finds the command asked for, reads its options and runs it.
import type { AnyCommand } from './cli/command.ts';
import { helpText } from './cli/help.ts';
import { parseOptions } from './cli/options.ts';
import { endOnSignal, fail, failUncaught } from './cli/run/lifecycle.ts';
import { straySettings } from './cli/stray-settings.ts';
import { UserError } from './errors.ts';
import { VERSION } from './version.ts';

type Entry = { readonly about: string; readonly load: () => Promise<AnyCommand> };

// Loaded on demand, so that the gateway never loads onnxruntime and a command starts fast.
const COMMANDS: Readonly<Record<string, Entry>> = {
  start: {
    about: 'a whole set-up on this machine: the model servers of the policy, and the gateway',
    load: async () => (await import('./cli/run/start.ts')).startCommand,
  },
  gateway: { about: 'the gateway alone', load: async () => (await import('./cli/run/gateway.ts')).gatewayCommand },
  'model-server': {
    about: 'one model server',
    load: async () => (await import('./cli/run/model-server.ts')).modelServerCommand,
  },
  demo: {
    about: 'send real held-out digits through a set-up of its own and report per version',
    load: async () => (await import('./cli/run/demo.ts')).demoCommand,
  },
  validate: {
    about: 'check a policy, and say what it will do',
    load: async () => (await import('./cli/policy/validate.ts')).validateCommand,
  },
  explain: {
    about: 'which version one request gets, and why',
    load: async () => (await import('./cli/policy/explain.ts')).explainCommand,
  },
  diff: {
    about: 'what changes from one policy to another, and which callers move',
    load: async () => (await import('./cli/policy/diff.ts')).diffCommand,
  },
  comparisons: {
    about: 'what the versions in shadow said, beside what callers got',
    load: async () => (await import('./cli/ask/comparisons.ts')).comparisonsCommand,
  },
  tune: {
    about: 'thresholds of a ladder of tiers with a guarantee, from logged or labelled inputs',
    load: async () => (await import('./cli/tune/tune.ts')).tuneCommand,
  },
  replay: {
    about: 'what every way of using the tiers would have cost, and how good it would have been',
    load: async () => (await import('./cli/tune/replay.ts')).replayCommand,
  },
  status: {
    about: 'what a running gateway serves, and where its rollouts stand',
    load: async () => (await import('./cli/ask/status.ts')).statusCommand,
  },
  promote: { about: 'send a rollout on to its next step', load: order('promote') },
  pause: { about: 'hold a rollout where it is', load: order('pause') },
  resume: { about: 'let a held rollout go on', load: order('resume') },
  rollback: { about: 'take a candidate out of service for ever', load: order('rollback') },
  schema: {
    about: 'the JSON Schema of the policy file',
    load: async () => (await import('./cli/policy/schema.ts')).schemaCommand,
  },
};

function order(action: 'promote' | 'pause' | 'resume' | 'rollback') {
  return async () => (await import('./cli/ask/rollout.ts')).rolloutCommand(action);
}

async function main([name, ...argv]: readonly string[]): Promise<void> {
  if (name === '--version' || name === '-v') return console.log(VERSION);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') return console.log(overview());
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) throw new UserError(`no command "${name}"; sluice --help lists them`, 2);
  const command = await entry.load();
  const parsed = parseOptions(argv, command.options, process.env);
  if (parsed.help) return console.log(helpText(command.usage, command.about, command.options));
  // A process of ours that started this one has the same environment, and has reported it.
  if (process.send === undefined)
    for (const sentence of straySettings(process.env)) console.error(`sluice: ${sentence}`);
  await command.run(parsed.values);
}

function overview(): string {
  const rows = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(14)}${about}`);
  return `Sluice ${VERSION}: a traffic router and gateway for model versions\n\nUsage: sluice <command> [options]\n\n${rows.join('\n')}\n\nsluice <command> --help tells its options.`;
}

// Whoever read our output has closed it, as `| head -1` does (EPIPE), or the terminal is gone (EIO): nobody is left to read it.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
endOnSignal();
process.on('uncaughtException', failUncaught);
process.on('unhandledRejection', failUncaught);
main(process.argv.slice(2)).catch(fail);
