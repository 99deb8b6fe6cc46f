// How hard a request looks, from what can be read without a model call. Pure.
import { deflateRawSync } from 'node:zlib';
import type { Complexity, Feature } from '../policy/conditions.ts';
import { valueAt } from './inside.ts';
import { characters } from './match.ts';
import type { View } from './view.ts';

/** Characters of text that are compressed: enough to tell repetition, cheap enough for every request. */
const COMPRESSED_CHARACTERS = 4096;

/**
 * Complexity in 0..1: the weighted mean of features, each clamped from [low, high] to [0, 1], over those that the request
 * has. Undefined when it has none: no signal, which is not the same as easy.
 */
export function complexityOf(complexity: Complexity, view: View): number | undefined {
  let weights = 0;
  let sum = 0;
  for (const feature of complexity.features) {
    const value = featureOf(feature, view);
    if (value === undefined) continue;
    weights += feature.weight;
    sum += feature.weight * Math.min(1, Math.max(0, (value - feature.low) / (feature.high - feature.low)));
  }
  return weights > 0 ? sum / weights : undefined;
}

/** A feature's value; undefined when the request has nothing to read it from. */
export function featureOf({ kind, path }: Pick<Feature, 'kind' | 'path'>, view: View): number | undefined {
  if (kind === 'bytes') return view.facts.body.length;
  const { inside } = view;
  if (kind === 'elements') return inside?.elements;
  if (kind === 'missing') return inside?.missing;
  if (kind === 'field') {
    const value = valueAt(inside?.json, path);
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  }
  return inside?.text === undefined ? undefined : textFeature(kind, inside.text);
}

function textFeature(kind: 'text_length' | 'words' | 'digits_ratio' | 'compression_ratio', text: string): number {
  switch (kind) {
    case 'text_length':
      return characters(text);
    case 'words':
      return text.match(/\S+/g)?.length ?? 0;
    case 'digits_ratio':
      return (text.match(/\p{Nd}/gu)?.length ?? 0) / characters(text);
    case 'compression_ratio': {
      const bytes = Buffer.from(text.slice(0, COMPRESSED_CHARACTERS));
      return deflateRawSync(bytes, { level: 1 }).length / bytes.length;
    }
  }
}
