// What a request can be asked for, as the policy runs.

export type Rule = { readonly when: readonly Condition[]; readonly use: string };

export type Condition =
  | { readonly on: 'header'; readonly name: string; readonly match: Match }
  | { readonly on: 'body'; readonly path: readonly string[]; readonly match: Match }
  | { readonly on: 'body_bytes' | 'text_length' | 'complexity'; readonly match: Range };

export type Match = Range | { readonly oneOf: readonly (string | number | boolean)[] } | { readonly present: boolean };

/** `below` is exclusive, `atLeast` inclusive. */
export type Range = { readonly below: number; readonly atLeast: number };

export type Complexity = { readonly features: readonly Feature[] };

/** `field` alone has a path. */
export type Feature = {
  readonly kind: FeatureKind | 'field';
  readonly path: readonly string[];
  readonly weight: number;
  readonly low: number;
  readonly high: number;
};

export type FeatureKind =
  | 'bytes'
  | 'text_length'
  | 'words'
  | 'digits_ratio'
  | 'compression_ratio'
  | 'elements'
  | 'missing';
