/** What choosing a server for a request needs to know of each. */
export type Choosable = {
  readonly hasRoom: () => boolean;
  readonly isWell: (now: number) => boolean;
  readonly isDueForProbe: (now: number) => boolean;
  readonly cost: (now: number) => number;
};

/**
 * The server for one request: the cheaper of two drawn at random (Mitzenmacher, "The power of two choices in randomized load
 * balancing", 2001) among those that are well and have room. `groups` are asked in order, the next only when the one
 * before has none; one of them that is due for a probe goes first, so that it can come back.
 *
 * Leaving servers alone must never empty the pool: once fewer than half of all are well, the others take what those
 * cannot, the cheapest first. Undefined when there is no room where there should be. `tried` are out in any case.
 */
export function choose<S extends Choosable>(
  groups: readonly (readonly S[])[],
  now: number,
  random: () => number,
  tried: readonly S[] = [],
): S | undefined {
  for (const group of groups) {
    const chosen = drawTwo(group, now, random, tried) ?? scan(group, now, random, tried);
    if (chosen !== undefined) return chosen;
  }
  const all = groups.flat();
  const well = all.filter((server) => server.isWell(now)).length;
  if (well * 2 >= all.length) return undefined;
  return cheapest(
    shuffledFrom(all, random).filter((server) => server.hasRoom() && !tried.includes(server)),
    now,
  );
}

/** The common case, without looking at all of them; undefined when one of the two drawn is not simply usable. */
function drawTwo<S extends Choosable>(
  group: readonly S[],
  now: number,
  random: () => number,
  tried: readonly S[],
): S | undefined {
  const isUsable = (server: S) => server.isWell(now) && server.hasRoom() && !tried.includes(server);
  const first = Math.floor(random() * group.length);
  const a = group[first];
  if (a === undefined || !isUsable(a)) return undefined;
  if (group.length === 1) return a;
  const b = group[(first + 1 + Math.floor(random() * (group.length - 1))) % group.length] as S;
  return isUsable(b) ? cheaper(a, b, now) : undefined;
}

function scan<S extends Choosable>(
  group: readonly S[],
  now: number,
  random: () => number,
  tried: readonly S[],
): S | undefined {
  const open = group.filter((server) => server.hasRoom() && !tried.includes(server));
  const probe = open.find((server) => server.isDueForProbe(now));
  if (probe !== undefined) return probe;
  return drawTwo(
    open.filter((server) => server.isWell(now)),
    now,
    random,
    tried,
  );
}

function cheaper<S extends Choosable>(a: S, b: S, now: number): S {
  return b.cost(now) < a.cost(now) ? b : a;
}

function cheapest<S extends Choosable>(servers: readonly S[], now: number): S | undefined {
  return servers.reduce<S | undefined>(
    (best, next) => (best === undefined ? next : cheaper(best, next, now)),
    undefined,
  );
}

/** From a random place on, so that equals take turns. */
function shuffledFrom<S>(servers: readonly S[], random: () => number): readonly S[] {
  const start = Math.floor(random() * servers.length);
  return [...servers.slice(start), ...servers.slice(0, start)];
}
