// What the language can say and this version of Sluice cannot do yet. Such a policy is checked, explained and compared,
// but a gateway refuses to serve it: a part that is ignored in silence is worse than one that is missing.
import type { Unbuilt } from './policy.ts';
import type { PolicyFile } from './schema.ts';

type Part = {
  /** Where it stands; `*` is any name, and the places of lists are left out. */
  readonly key: string;
  readonly what: string;
  /** Whether it is asked for, from what stands around it; always when left out. */
  readonly isAsked?: (around: Readonly<Record<string, unknown>>) => boolean;
};

/** Every such part of the language. Whoever builds one takes its row out. */
export const UNBUILT: readonly Part[] = [
  {
    key: 'models.*.shadow',
    what: 'shadows of a model of protocol http',
    isAsked: ({ protocol }) => protocol === 'http',
  },
];

/** Every such part of a policy, by its path. */
export function unbuiltParts(file: PolicyFile): Unbuilt[] {
  return UNBUILT.flatMap(({ key, what, isAsked = () => true }) =>
    placesOf({ file }, ['file', ...key.split('.')]).flatMap(({ path, around }) =>
      isAsked(around) ? [{ path: path.slice(1).join('.'), at: path.slice(1), what }] : [],
    ),
  );
}

type Place = { readonly path: readonly string[]; readonly around: Readonly<Record<string, unknown>> };

function placesOf(around: unknown, keys: readonly string[], path: readonly string[] = []): Place[] {
  const [key = '', ...rest] = keys;
  if (typeof around !== 'object' || around === null) return [];
  return Object.entries(around).flatMap(([name, inner]) => {
    if (inner === undefined || (name !== key && key !== '*' && !Array.isArray(around))) return [];
    const left = Array.isArray(around) ? keys : rest;
    const at = [...path, name];
    return left.length === 0 ? [{ path: at, around: around as Place['around'] }] : placesOf(inner, left, at);
  });
}
