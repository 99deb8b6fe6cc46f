// Variables in the environment that begin with our prefix and have no effect: mistyped settings, and settings that a platform has
// replaced by a value of its own.
import { didYouMean } from '../policy/suggest.ts';
import { GATEWAY_COMMAND_OPTIONS } from '../settings.ts';
import { ADMIN_OPTIONS } from './ask/admin-client.ts';
import { isInjected } from './injected.ts';
import type { OptionTable } from './options.ts';
import { MODEL_SERVER_OPTIONS } from './run/model-server-options.ts';

const PREFIX = 'SLUICE_';
const TABLES: readonly OptionTable[] = [GATEWAY_COMMAND_OPTIONS, MODEL_SERVER_OPTIONS, ADMIN_OPTIONS];

/** Every variable that some command reads; what a table does not name has no flag. */
export const SETTING_NAMES: ReadonlySet<string> = new Set([
  ...TABLES.flatMap((table) => Object.values(table)).flatMap((option) =>
    'env' in option && option.env !== undefined ? [option.env] : [],
  ),
  'SLUICE_ADMIN_TOKEN',
  'SLUICE_ADMIN_TOKEN_FILE',
  'REDIS_URL',
]);

/**
 * One sentence for each variable that begins with SLUICE_ and has no effect, although somebody may think that it has. What
 * platforms inject beside our settings is not reported: nobody wrote it.
 */
export function straySettings(env: NodeJS.ProcessEnv): string[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    if (!name.startsWith(PREFIX) || value === '') return [];
    if (!SETTING_NAMES.has(name))
      return isInjected(name, value) ? [] : [`${name} is ignored: there is no such setting${guessFor(name)}`];
    if (!isInjected(name, value)) return [];
    return [
      `${name}=${value} is ignored: it comes from a Kubernetes Service or a Docker link of that name; the flag, or a plain port in ${name}, sets the port`,
    ];
  });
}

/** The setting whose prefix was added by habit, SLUICE_REDIS_URL for REDIS_URL, or else the closest name. */
function guessFor(name: string): string {
  const bare = name.slice(PREFIX.length);
  return SETTING_NAMES.has(bare) ? `; did you mean "${bare}"?` : didYouMean(name, SETTING_NAMES);
}
