import { hash } from 'node:crypto';
import type { Block, Buckets } from '../policy/policy.ts';
import { prefixOf } from '../policy/salt.ts';
import { NumberSent } from './number-sent.ts';
import type { View } from './view.ts';

/** Slots of a bucket space: 0.0001 % each. */
export const SLOTS = 1_000_000;

/**
 * The slot of a unit, an integer in [0, 1,000,000): the algorithm `sha256-v1`.
 * slot = floor(u32 * 1e6 / 2^32), where u32 is the first 8 hex digits of SHA-256(utf8("v1:" + salt + ":" + unit)).
 * The product stays below 2^53, so it is exact. A salt never holds a ":", so the text is unambiguous.
 */
export function slotOf(salt: string, unit: string): number {
  return slotUnder(prefixOf(salt), unit);
}

/** The same with the text before the unit made beforehand. */
export function slotUnder(prefix: string, unit: string): number {
  return slotIn(digestOf(prefix, unit));
}

/** SHA-256 of a unit, one character a byte: the fastest form to get and to read. */
export function digestOf(prefix: string, unit: string): string {
  return hash('sha256', prefix + unit, 'binary');
}

/** The slot in a digest: its first 32 bits. */
export function slotIn(digest: string): number {
  return Math.floor(((bits24(digest, 0) * 2 ** 8 + digest.charCodeAt(3)) * SLOTS) / 2 ** 32);
}

/** The unit's id in a digest, an integer in [0, 2^48): the next 48 bits, so it says nothing about the slot. */
export function unitIdIn(digest: string): number {
  return bits24(digest, 4) * 2 ** 24 + bits24(digest, 7);
}

function bits24(digest: string, at: number): number {
  return (digest.charCodeAt(at) << 16) | (digest.charCodeAt(at + 1) << 8) | digest.charCodeAt(at + 2);
}

/** Whether a slot lies in a block. */
export function isIn(block: Block, slot: number): boolean {
  return slot >= block.from && slot < block.to;
}

/**
 * What this request is sorted by: its unit or the key that stands in for one; undefined when it has neither.
 * A text is taken as it is, a number by its value with every digit (1 and 1.0 are "1"): an id is one unit, sent as a number
 * or as a text. An empty value is no unit: it would put strangers in one bucket.
 */
export function unitOf({ unit, withoutUnit }: Pick<Buckets, 'unit' | 'withoutUnit'>, view: View): string | undefined {
  const value = rawUnit(unit, view);
  if (typeof value === 'string' && value !== '') return value;
  if (value instanceof NumberSent && Number.isFinite(value.value)) return value.text;
  if (unit.from !== 'random') view.missUnit(unit.from === 'body');
  return typeof withoutUnit === 'object' ? withoutUnit.key : undefined;
}

function rawUnit(unit: Buckets['unit'], view: View): unknown {
  if (unit.from === 'random') return undefined;
  return unit.from === 'header' ? view.header(unit.name) : view.unitAt(unit.path);
}

/** Three independent slots from one random number in [0, 1): a request without a unit draws for each purpose anew. */
export function drawSlots(random: number): readonly [number, number, number] {
  const first = Math.floor(random * SLOTS);
  const rest = random * SLOTS - first;
  const second = Math.floor(rest * SLOTS);
  return [first, second, Math.floor((rest * SLOTS - second) * SLOTS)];
}
