import type { Block } from './world-spec.ts';

export const SLOTS = 1_000_000;

/** Whose requests: of callers in these blocks, at one gateway or (undefined) at any. */
export type Side = {
  readonly blocks: readonly Block[];
  readonly gateway: number | undefined;
  /** Answers that take longer are slow. */
  readonly limitMs: number;
};

/** The requests of one side, as parts of all requests there are, and draws from them. */
export interface Arm {
  readonly activity: number;
  /** The part that fails, whatever version answers. */
  readonly failing: number;
  /** The part that does not fail and is slow. */
  readonly slow: number;
  /** Who sends one of them. */
  anyone(): number;
  oneFailing(): number;
  oneSlow(): number;
  /** The group of a request that neither fails nor is slow. */
  ordinaryGroup(): number;
}

/** Callers by number, and what each of them is like. */
export interface Crowd {
  /** Another number when arms made before hold no longer. */
  readonly version: number;
  advance(at: number): void;
  arm(side: Side): Arm;
  unit(caller: number): number;
  slot(caller: number): number;
  /** The gateway that a caller asks, where each keeps to one. */
  home(caller: number): number;
  /** The probability that a request of theirs fails. */
  failing(caller: number): number;
  /** The class of their speed. */
  speed(caller: number): number;
}

export function isWithin(slot: number, blocks: readonly Block[]): boolean {
  for (const { from, to } of blocks) if (slot >= from && slot < to) return true;
  return false;
}

/** Blocks apart from each other that hold all slots that none of the given ones does. */
export function outside(blocks: readonly Block[]): readonly Block[] {
  const free: Block[] = [];
  let from = 0;
  for (const block of blocks.filter(({ from, to }) => from < to).sort((a, b) => a.from - b.from)) {
    if (block.from > from) free.push({ from, to: block.from });
    from = Math.max(from, block.to);
  }
  if (from < SLOTS) free.push({ from, to: SLOTS });
  return free;
}

/** So many slots are in blocks that are apart from each other. */
export function slotsOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { from, to }) => sum + to - from, 0);
}
