// The command line of `npm run compare-providers`; exits with 1 when a provider cannot be used or answers otherwise.
import { parseArgs } from 'node:util';
import { messageOf } from '../errors.ts';
import { PROVIDERS, parseProviders } from '../protocol/provider-names.ts';
import { compareProviders, comparisonTable } from './compare-providers.ts';

const HELP = `Usage: npm run compare-providers -- [options]

  --model FOLDER     a version's folder, with model.onnx in it (config/models/digits-accurate/1)
  --providers LIST   what to compare with the CPU: ${PROVIDERS.join(', ')} (cuda)
  --rows LIST        batch sizes (1,8,32)
  --runs N           runs of each (200)
  --request FILE     a v2 request as JSON in that folder; its first row is sent. Without it, made-up inputs
  --tolerance X      largest difference allowed, as a share of the largest output (0.001)`;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'config/models/digits-accurate/1' },
    providers: { type: 'string', default: 'cuda' },
    rows: { type: 'string', default: '1,8,32' },
    runs: { type: 'string', default: '200' },
    request: { type: 'string' },
    tolerance: { type: 'string', default: '0.001' },
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  await main().catch((error: unknown) => {
    console.error(messageOf(error));
    process.exitCode = 1;
  });
}

async function main(): Promise<void> {
  const providers = parseProviders(values.providers);
  const rows = values.rows.split(',').map(Number);
  const runs = Number(values.runs);
  if (providers === undefined || ![...rows, runs].every((each) => Number.isInteger(each) && each > 0)) {
    throw new Error(`these options cannot be read\n\n${HELP}`);
  }
  const results = await compareProviders({ folder: values.model, providers, rows, runs, request: values.request });
  console.log(comparisonTable(results));
  const worst = Math.max(...results.map(({ difference }) => difference));
  if (!(worst <= Number(values.tolerance))) {
    throw new Error(`the outputs differ by ${worst.toExponential(1)}, more than ${values.tolerance}`);
  }
}
