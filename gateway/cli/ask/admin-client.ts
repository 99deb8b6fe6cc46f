// Talks to a running gateway's admin listener, for every command that does.
import { UserError } from '../../errors.ts';

/** The options of every command that asks a gateway. The token comes from SLUICE_ADMIN_TOKEN alone. */
export const ADMIN_OPTIONS = {
  admin: {
    kind: 'string',
    env: 'SLUICE_ADMIN',
    default: 'http://127.0.0.1:8081',
    help: "the gateway's admin address",
    check: checkAddress,
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

function checkAddress(text: string, source: string): void {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new UserError(`${source}: expected an address such as http://127.0.0.1:8081, got "${text}"`, 2);
}

/** A client of the admin listener at this address. */
export function adminClient(admin: string, env: NodeJS.ProcessEnv): AdminClient {
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
  if (response.ok) {
    const problem = problemIn(url, answer);
    if (problem === undefined) return answer;
    throw new UserError(`${url.origin}${url.pathname} answered ${problem}: ${await whatListens(url)}`);
  }
  if (response.status === 401)
    throw new UserError(
      `the gateway at ${url.origin} wants a token: set SLUICE_ADMIN_TOKEN to the one it was started with`,
    );
  const reason = typeof answer?.error === 'string' ? answer.error : undefined;
  const isMissing = response.status === 404 || response.status === 405;
  const isOfAdmin = reason !== undefined && (!isMissing || MISSING.test(reason));
  throw new UserError(
    `${url.origin}${url.pathname} answered ${response.status}: ${isOfAdmin ? reason : await whatListens(url)}`,
  );
}

/** What the admin API itself does not have. Any other 404 or 405 may be the answer of another listener to a path that it lacks. */
const MISSING = /^unknown (model|rollout|shadow)\b/;

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

function problemIn({ pathname }: URL, answer: unknown): string | undefined {
  if (answer === undefined) return 'no JSON';
  const keys = KEYS.find(([path]) => path.test(pathname))?.[1] ?? [];
  const missing = keys.find((key) => typeof answer !== 'object' || answer === null || !Object.hasOwn(answer, key));
  return missing === undefined ? undefined : `without "${missing}"`;
}

/** What to say of an address that is not the admin listener of a gateway: what the server there says of itself, and what to name. */
async function whatListens({ origin }: URL): Promise<string> {
  const told = await fetch(new URL('/v2', origin), { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' })
    .then((response) => response.json() as Promise<{ name?: unknown } | null>)
    .catch(() => undefined);
  const next = `name the gateway's admin address with --admin or SLUICE_ADMIN (${ADMIN_OPTIONS.admin.default} unless it was started with --admin-port)`;
  if (told?.name === 'sluice') return `this is the data listener of a gateway, which applications call; ${next}`;
  if (typeof told?.name === 'string') return `this is a model server; ${next}`;
  return `is this the admin address of a gateway of this release? If not, ${next}`;
}

function unreachable(url: URL, error: Error): string {
  if (error.name === 'TimeoutError') return `${url.origin} gave no answer within ${TIMEOUT_MS / 1000} s`;
  const { code } = (error.cause ?? {}) as { code?: string };
  return `no gateway answers at ${url.origin} (${code ?? error.message}): start one, or say where it is with --admin`;
}
