// Talks to a running gateway's admin listener, for every command that does.
import { UserError } from '../errors.ts';

/** The options of every command that asks a gateway. The token comes from SLUICE_ADMIN_TOKEN alone. */
export const ADMIN_OPTIONS = {
  admin: {
    kind: 'string',
    env: 'SLUICE_ADMIN',
    default: 'http://127.0.0.1:8081',
    help: "the gateway's admin address",
  },
} as const;

export type AdminClient = {
  /** The JSON answer to a GET; parameters that are undefined are left out. Throws UserError. */
  readonly get: (path: string, parameters?: Parameters) => Promise<unknown>;
  /** The JSON answer to a POST of JSON. Throws UserError. */
  readonly post: (path: string, body: unknown) => Promise<unknown>;
};

export type Parameters = Readonly<Record<string, string | number | undefined>>;

/** Longer than the gateway lets a caller wait for news. */
const TIMEOUT_MS = 30_000;

/** A client of the admin listener at this address. Throws UserError when it is no address. */
export function adminClient(admin: string, env: NodeJS.ProcessEnv): AdminClient {
  if (!URL.canParse(admin) || !/^https?:$/.test(new URL(admin).protocol))
    throw new UserError(`--admin: expected an address such as http://127.0.0.1:8081, got "${admin}"`, 2);
  const token = env.SLUICE_ADMIN_TOKEN?.trim();
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  return {
    get: (path, parameters = {}) => exchange(urlOf(admin, path, parameters), { headers }),
    post: (path, body) =>
      exchange(urlOf(admin, path, {}), {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
  };
}

function urlOf(admin: string, path: string, parameters: Parameters): URL {
  const url = new URL(path, admin);
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) url.searchParams.set(name, String(value));
  return url;
}

async function exchange(url: URL, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' }).catch(
    (error: Error) => {
      throw new UserError(unreachable(url, error), 1, { cause: error });
    },
  );
  const answer = (await response.json().catch(() => undefined)) as { error?: unknown } | undefined;
  if (response.ok) return checked(url, answer);
  if (response.status === 401)
    throw new UserError(
      `the gateway at ${url.origin} wants a token: set SLUICE_ADMIN_TOKEN to the one it was started with`,
    );
  const reason = typeof answer?.error === 'string' ? answer.error : 'is this the admin address of a gateway?';
  throw new UserError(`${url.origin}${url.pathname} answered ${response.status}: ${reason}`);
}

/** What an answer has at least, by path: another server, or a gateway of another release, may answer something else. */
const KEYS: readonly (readonly [RegExp, readonly string[]])[] = [
  [
    /^\/api\/status$/,
    ['version', 'policy', 'store', 'models', 'refusals', 'held', 'pendingRollbacks', 'pendingSuspensions', 'damaged'],
  ],
  [/^\/api\/comparisons$/, ['comparisons', 'newest']],
  [/^\/api\/comparisons\/summary$/, ['since', 'until', 'slot', 'subjects']],
  [/^\/api\/models\/[^/]+\/rollout\//, ['id', 'phase']],
];

function checked({ origin, pathname }: URL, answer: unknown): unknown {
  const keys = KEYS.find(([path]) => path.test(pathname))?.[1] ?? [];
  const missing = keys.find((key) => typeof answer !== 'object' || answer === null || !Object.hasOwn(answer, key));
  if (answer === undefined || missing !== undefined)
    throw new UserError(
      `${origin}${pathname} answered ${answer === undefined ? 'no JSON' : `without "${missing}"`}: is this the admin address of a gateway of this release?`,
    );
  return answer;
}

function unreachable(url: URL, error: Error): string {
  if (error.name === 'TimeoutError') return `${url.origin} gave no answer within ${TIMEOUT_MS / 1000} s`;
  const { code } = (error.cause ?? {}) as { code?: string };
  return `no gateway answers at ${url.origin} (${code ?? error.message}): start one, or say where it is with --admin`;
}
