// What callers are sorted by, and the slots that they fall into.
import type { Block, Buckets, Unit, Version } from '../policy.ts';
import { prefixOf } from '../salt.ts';
import type { WrittenRollout } from '../schema/model.ts';
import { shared } from '../shared.ts';

/** Slots of a bucket space: 0.0001 % each. */
const SLOTS = 1_000_000;

export function buckets(salt: string, written: Pick<WrittenRollout, 'unit' | 'without_unit'>): Buckets {
  return { salt, prefix: prefixOf(salt), unit: compileUnit(written.unit), withoutUnit: written.without_unit };
}

function compileUnit(text: string): Unit {
  const [from, rest = ''] = text.split(' ');
  if (from === 'header') return shared({ from, name: rest.toLowerCase() });
  return shared(from === 'body' ? { from, path: rest.split('.') } : { from: 'random' });
}

export function block(from: number, share: number): Block {
  const start = Math.round(from * SLOTS);
  return { from: start, to: Math.min(SLOTS, start + Math.round(share * SLOTS)) };
}

export function find(versions: ReadonlyMap<string, Version>, label: string): Version {
  const version = versions.get(label);
  if (version === undefined) throw new Error(`version ${label} passed the check but does not exist`);
  return version;
}
