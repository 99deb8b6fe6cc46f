// `npm run bench`: what a decision costs, and what a request costs in each proxy, in one run on one machine, as ratios.
// Absolute figures mean nothing elsewhere; the ratios do. Results that were kept: test/bench/RESULTS.md.
import { parseArgs } from 'node:util';
import { benchDecisions } from './decisions.ts';
import { benchForwarding } from './forwarding.ts';
import { benchJudge } from './judge/bench.ts';
import { benchModelServer } from './model-server.ts';
import { TARGETS } from './targets.ts';

const HELP = `Usage: npm run bench -- [part ...] [options]

Parts, all of them when none is named:
  decisions    what a decision costs with 10 and with 10,000 models, and what loading a large policy costs beside it
  forwarding   CPU time, throughput, added latency and memory of Sluice and of other proxies before the same backend
  judge        good candidates that are suspended or ended, and how soon bad ones are, by simulation with fixed seeds
  model-server batching, the overhead over onnxruntime-node alone, and health beside heavy runs

Options of forwarding:
  --rounds N      rounds, each in a random order (9)
  --requests N    requests a round at 32 connections (4000)
  --only TEXT     only proxies whose name contains this; may be given again
  --help          this

Proxies: ${TARGETS.map(({ name }) => name).join(' | ')}
nginx and haproxy are installed when this runs as root on Debian, the gateways from npm into a temporary folder; what
cannot be had is left out, with the reason. A round in which anything but a 200 came back, or in which the backend did not
see exactly what was sent, does not count: it is measured again, at most twice, and the report says so.`;

const PARTS = ['decisions', 'forwarding', 'judge', 'model-server'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '9' },
    requests: { type: 'string', default: '4000' },
    only: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', short: 'h' },
  },
});

process.on('SIGTERM', () => process.exit(143)); // an exit, unlike a signal, takes the children along

if (values.help) console.log(HELP);
else {
  const unknown = positionals.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new Error(`no part "${unknown}"\n\n${HELP}`);
  const isWanted = (part: string) => positionals.length === 0 || positionals.includes(part);
  if (isWanted('decisions')) console.log(`${await benchDecisions()}\n`);
  if (isWanted('forwarding')) {
    const [rounds, requests] = [count('rounds'), count('requests')];
    console.log(`${await benchForwarding({ rounds, requests, only: values.only })}\n`);
  }
  if (isWanted('judge')) console.log(`${await benchJudge((text) => process.stderr.write(`\r${text}`))}\n`);
  if (isWanted('model-server')) console.log(await benchModelServer());
}

function count(option: 'rounds' | 'requests'): number {
  const value = Number(values[option]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option} ${values[option]} is no count`);
  return value;
}
