// Callers who do not exist: each sends nothing but what the policies sort callers by. Two units of one caller have nothing
// in common, as a user and a tenant have not: where a policy changes its unit, it sorts callers anew.
import type { Facts } from '../../flow.ts';
import type { Model, ServedModel, Unit } from '../../policy/policy.ts';

/** A maker of requests to these models (the same name in two policies): caller i is always the same. */
export function callersOfModels(models: readonly Model[]): (i: number) => Facts {
  const units = models.flatMap(servedOf).flatMap(unitsOf);
  const headers = units.flatMap((unit) => (unit.from === 'header' ? [unit.name] : []));
  const paths = units.flatMap((unit) => (unit.from === 'body' ? [unit.path] : []));
  const model = models[0]?.name ?? '';
  return (i) => {
    return {
      id: `caller-${i}`,
      model,
      call: 'infer',
      pin: undefined,
      headers: Object.fromEntries(headers.map((name) => [name, `${name}-${i}`])),
      rawHeaders: [],
      body: paths.length === 0 ? EMPTY : Buffer.from(JSON.stringify(bodyWith(paths, i))),
    };
  };
}

// Readable JSON: rules that look inside would fail to parse nothing at all, and that costs a lot of time.
const EMPTY = Buffer.from('{}');

/** The models with versions that may answer. */
export function servedOf(model: Model): ServedModel[] {
  return model.kind === 'served' ? [model] : [...model.ladder.values()];
}

function unitsOf({ experiment, sorting }: ServedModel): Unit[] {
  return [experiment?.buckets, sorting].flatMap((buckets) => (buckets === undefined ? [] : [buckets.unit]));
}

type Body = { [name: string]: Body | string };

function bodyWith(paths: readonly (readonly string[])[], i: number): Body {
  const body: Body = {};
  for (const path of paths) {
    let parent = body;
    for (const step of path.slice(0, -1)) {
      const inner = parent[step];
      const next: Body = typeof inner === 'object' ? inner : {};
      parent[step] = next;
      parent = next;
    }
    parent[path.at(-1) ?? ''] = `${path.join('.')}-${i}`;
  }
  return body;
}
