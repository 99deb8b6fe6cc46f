// The gateway's API as the page uses it. The token stays in this tab and goes out as a header, never as a cookie.
const TOKEN = 'sluice-token';

/** An answer that was no success, in the gateway's own words. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function keepToken(token: string): void {
  sessionStorage.setItem(TOKEN, token);
}

/** Throws ApiError. */
export async function get<T>(path: string): Promise<T> {
  return answerOf(await fetch(path, { headers: headers(), cache: 'no-store' }));
}

/** Sends an order. With `epoch` it holds only for what the person saw. Throws ApiError. */
export async function post<T>(path: string, body: unknown, epoch?: number): Promise<T> {
  const sent = {
    ...headers(),
    'content-type': 'application/json',
    ...(epoch === undefined ? {} : { 'if-match': `"${epoch}"` }),
  };
  return answerOf(await fetch(path, { method: 'POST', headers: sent, body: JSON.stringify(body) }));
}

function headers(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN);
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

async function answerOf<T>(response: Response): Promise<T> {
  const body = await response.json().catch(() => ({ error: `status ${response.status}` }));
  if (response.ok) return body as T;
  throw new ApiError(response.status, String((body as { error?: unknown }).error ?? `status ${response.status}`));
}
