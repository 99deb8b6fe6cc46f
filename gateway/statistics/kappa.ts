/** How often each label was said, on the two sides. */
export type Marginals = {
  readonly baseline: ReadonlyMap<string, number>;
  readonly candidate: ReadonlyMap<string, number>;
};

/**
 * Cohen's kappa (Cohen 1960): agreement beyond what the label shares alone would bring, 1 for full agreement, 0 for chance.
 * Undefined without rows, and when one label is all that both ever say: chance alone explains everything then.
 */
export function kappa(rows: number, flips: number, { baseline, candidate }: Marginals): number | undefined {
  if (rows === 0) return undefined;
  const observed = (rows - flips) / rows;
  let expected = 0;
  for (const [label, count] of baseline) expected += (count / rows) * ((candidate.get(label) ?? 0) / rows);
  return expected === 1 ? undefined : (observed - expected) / (1 - expected);
}
