// What the language can say and this version of Sluice cannot do yet. Such a policy is checked, explained and compared,
// but a gateway refuses to serve it: a part that is ignored in silence is worse than one that is missing.
import type { Unbuilt } from './policy.ts';
import type { PolicyFile } from './schema.ts';

type Part = {
  /** Where it stands; `*` is any name, and the places of lists are left out. */
  readonly key: string;
  readonly what: string;
  /** Whether this value asks for it; every value when left out. */
  readonly isAsked?: (value: unknown) => boolean;
};

/** Every such part of the language. Whoever builds one takes its row out. */
export const UNBUILT: readonly Part[] = [
  { key: 'models.*.rollout.rollback.disagreement', what: 'a guard on shadow comparisons' },
  { key: 'models.*.rollout.max_disagreement', what: 'a condition on shadow comparisons' },
];

/** Every such part of a policy, by its path. */
export function unbuiltParts(file: PolicyFile): Unbuilt[] {
  return UNBUILT.flatMap(({ key, what, isAsked = () => true }) =>
    valuesAt(file, key.split('.')).flatMap(({ path, value }) =>
      isAsked(value) ? [{ path: path.join('.'), at: path, what }] : [],
    ),
  );
}

type Found = { readonly path: readonly string[]; readonly value: unknown };

function valuesAt(value: unknown, keys: readonly string[], path: readonly string[] = []): Found[] {
  const [key, ...rest] = keys;
  if (value === undefined) return [];
  if (key === undefined) return [{ path, value }];
  if (typeof value !== 'object' || value === null) return [];
  const isEach = key === '*' || Array.isArray(value);
  return Object.entries(value).flatMap(([name, inner]) =>
    isEach || name === key ? valuesAt(inner, Array.isArray(value) ? keys : rest, [...path, name]) : [],
  );
}
