// Tells people by a webhook, beside everything else: it blocks nothing, and what cannot be delivered is counted and logged.
import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
const ATTEMPTS = 10;
/** Beyond this the oldest goes: a person reads the newest first. */
const MAX_WAITING = 100;

/** What is sent, as JSON. `text` alone is what Slack and its like show. */
export type Notice = { readonly text: string; readonly [key: string]: unknown };

/** Sends JSON by POST within a time of its own and resolves with the status. It follows no redirect. */
type PostJson = (url: string, json: Notice, signal: AbortSignal) => Promise<number>;

export type Notifier = {
  /** Takes a notice; returns at once. */
  readonly send: (notice: Notice) => void;
  /** Stops; what waits is given up. */
  readonly close: () => void;
};

/** A notifier for this address, one notice at a time in their order; without an address it takes notices and sends none. */
export function createNotifier(
  url: string | undefined,
  post: PostJson,
  onLost: (notice: Notice, reason: string) => void,
  firstRetryMs = FIRST_RETRY_MS,
): Notifier {
  if (url === undefined) return { send: () => {}, close: () => {} };
  const waiting: Notice[] = [];
  const closing = new AbortController();
  let isSending = false;
  const sendAll = async () => {
    if (isSending) return;
    isSending = true;
    for (let notice = waiting.shift(); notice !== undefined; notice = waiting.shift()) {
      const reason = await deliver(post, url, notice, firstRetryMs, closing.signal);
      if (reason !== undefined) onLost(notice, reason);
    }
    isSending = false;
  };
  return {
    send: (notice) => {
      waiting.push(notice);
      const pushedOut = waiting.length > MAX_WAITING ? waiting.shift() : undefined;
      if (pushedOut !== undefined) onLost(pushedOut, 'too many are waiting');
      void sendAll();
    },
    close: () => {
      waiting.length = 0;
      closing.abort();
    },
  };
}

/** Undefined when it was delivered, else why not. */
async function deliver(
  post: PostJson,
  url: string,
  notice: Notice,
  firstRetryMs: number,
  closing: AbortSignal,
): Promise<string | undefined> {
  let reason = '';
  for (let attempt = 0; attempt < ATTEMPTS && !closing.aborted; attempt++) {
    if (attempt > 0) await pause(Math.min(firstRetryMs * 2 ** (attempt - 1), LONGEST_RETRY_MS), closing);
    reason = await postTo(post, url, notice, closing);
    if (reason === '') return undefined;
  }
  return closing.aborted ? 'the gateway ends' : reason;
}

/** Empty when the receiver took it. */
async function postTo(post: PostJson, url: string, notice: Notice, closing: AbortSignal): Promise<string> {
  try {
    const status = await post(url, notice, closing);
    return status >= 200 && status < 300 ? '' : `it answered ${status}`;
  } catch (error) {
    return (error as Error).message;
  }
}

function pause(ms: number, closing: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal: closing, ref: false }).catch(() => {});
}
