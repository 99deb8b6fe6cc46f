// Commands that Redis applies once, however often they are sent. A write without an answer may have landed, and may still
// lie in a socket of a frozen server; so every batch has a number, and a number at or below the last one does nothing.
import type { Client } from './connections.ts';

/** One command: all of its words but the last, and the last. Those that share the first part by reference are sent as one. */
export type Command = { readonly words: CommandWords; readonly last: string };
export type CommandWords = readonly [name: string, key: string, ...words: string[]];

const SCRIPT = `
local state = redis.call('GET', KEYS[1]) or '0 0'
local last, before = state:match('^(%d+) (%d+)$')
if tonumber(ARGV[1]) <= tonumber(last) then return {tonumber(last), tonumber(before), -1, ''} end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. last, 'EX', ARGV[2])
local refused = {}
local why = ''
local at = 3
local index = 0
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  local times = tonumber(ARGV[at + 1])
  local words = {unpack(ARGV, at + 2, at + 1 + size)}
  at = at + 2 + size
  for i = at, at + times - 1 do
    words[size + 1] = ARGV[i]
    local reply = redis.pcall(unpack(words))
    if type(reply) == 'table' and reply.err then
      refused[#refused + 1] = index
      why = reply.err
    end
    index = index + 1
  end
  at = at + times
end
return {tonumber(ARGV[1]), tonumber(last), #refused, why, unpack(refused, 1, math.min(#refused, 5000))}
`;

/** How long Redis remembers a replica that says nothing. */
const REMEMBER_S = 7 * 24 * 3600;

/** What Redis did with a batch, and what it knows of the ones before. */
export type Applied = {
  /** The number of the last batch that was applied: this one's, or a later one's. */
  readonly last: number;
  /** The number of the one applied before that. */
  readonly before: number;
  /** Places of the commands that Redis refused, and what it said of the last. */
  readonly refused: readonly number[];
  readonly error: string;
};

/** Applies commands as the batch with this number. Rejects when Redis says no, or says nothing: then they may have landed. */
export async function applyOnce(
  client: Client,
  appliedKey: string,
  number: number,
  commands: readonly Command[],
): Promise<Applied> {
  const keys = new Set([appliedKey, ...commands.map(({ words }) => words[1])]);
  const words = [String(number), String(REMEMBER_S), ...encode(commands)];
  const reply = await client.eval(SCRIPT, keys.size, ...keys, ...words);
  const [last, before, , error, ...refused] = reply as [number, number, number, string, ...number[]];
  return { last, before, refused, error };
}

/** Runs of commands as the script reads them: how many words, how many last words, and all of them. */
function encode(commands: readonly Command[]): string[] {
  const encoded: string[] = [];
  for (let i = 0; i < commands.length; ) {
    const { words } = commands[i] ?? { words: [] };
    let end = i + 1;
    while (commands[end]?.words === words) end++;
    encoded.push(String(words.length), String(end - i), ...words);
    for (; i < end; i++) encoded.push(commands[i]?.last ?? '');
  }
  return encoded;
}

/** Whether an error leaves open whether Redis did what it was asked for. An answer of Redis leaves nothing open. */
export function isUnsure({ cause }: Error): boolean {
  const error = cause as Error;
  const wasNeverSent = error.message.includes('enableOfflineQueue') || error.message.includes("Stream isn't writeable");
  return error.name !== 'ReplyError' && !wasNeverSent;
}
