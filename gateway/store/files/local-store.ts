// The store of a gateway by itself: memory, or files below a data folder that no other process uses.
import { join } from 'node:path';
import { makeFolder } from '../../policy/make-folder.ts';
import { Damages } from '../damage.ts';
import { DEFAULT_RETENTION, type Retention } from '../retention.ts';
import type { Store } from '../store.ts';
import { SumsMemory } from '../sums-memory.ts';
import { lockFolder } from './folder-lock.ts';
import { LocalAudit } from './local-audit.ts';
import { LocalComparisons } from './local-comparisons.ts';
import { LocalExperiments } from './local-experiments.ts';
import { LocalOrders } from './local-orders.ts';
import { LocalOutcomes } from './local-outcomes.ts';
import { LocalRollouts } from './local-rollouts.ts';
import { segmentFiles } from './segment-files.ts';
import { memorySegments, SegmentedLog } from './segments.ts';
import { SumsFiles } from './sums-files.ts';

export type LocalStoreOptions = {
  /** Where files lie, made if missing; in memory when left out. */
  readonly folder?: string | undefined;
  readonly retention?: Retention;
  readonly onTrouble?: (error: Error) => void;
  /** Ids of the policy's rollouts: held on their baselines when the file of rollouts is damaged. */
  readonly rolloutIds?: readonly string[];
};

/** Opens a store of this process alone. Throws UserError when another process has the folder. */
export async function openLocalStore(options: LocalStoreOptions = {}): Promise<Store> {
  const { folder, onTrouble = () => {} } = options;
  if (folder !== undefined) await makeFolder(folder);
  const unlock = folder === undefined ? async () => {} : await lockFolder(folder);
  try {
    return await openParts(options, new Damages(onTrouble), unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function openParts(
  { folder, retention = DEFAULT_RETENTION, onTrouble = () => {}, rolloutIds }: LocalStoreOptions,
  damages: Damages,
  unlock: () => Promise<void>,
): Promise<Store> {
  const inFolder = (name: string) => (folder === undefined ? undefined : join(folder, name));
  const [comparisonFolder, sumsFolder] = [inFolder('comparisons'), inFolder('sums')];
  const log = new SegmentedLog(
    comparisonFolder === undefined ? memorySegments() : segmentFiles(comparisonFolder, damages),
    retention,
    (segment) => damages.saw(`${comparisonFolder ?? 'memory'}, segment ${segment}`, ['a line is no comparison']),
  );
  await log.open(Date.now());
  const sums = sumsFolder === undefined ? new SumsMemory() : new SumsFiles(sumsFolder, retention, damages);
  if (sums instanceof SumsFiles) await sums.open(log);
  const comparisons = new LocalComparisons({ log, sums, retention, onTrouble });
  const rollouts = new LocalRollouts(inFolder('rollouts.json'), damages);
  const audit = new LocalAudit(inFolder('audit.jsonl'), damages);
  await rollouts.open(rolloutIds, () => audit.rolledBack());
  const shadowOrders = new LocalOrders(inFolder('shadow-orders.json'), damages);
  await shadowOrders.open();
  const experiments = new LocalExperiments(inFolder('experiments'), onTrouble, damages);
  await experiments.open();
  return {
    comparisons,
    rollouts,
    shadowOrders,
    experiments,
    outcomes: new LocalOutcomes(retention.windowsMs),
    audit,
    damages,
    now: Date.now,
    health: () => {
      const parts = [rollouts, shadowOrders, audit, comparisons];
      const troubles = parts.flatMap((part) => part.trouble() ?? []);
      const [reason] = troubles;
      const kind = folder === undefined ? 'memory' : 'files';
      const up = reason === undefined;
      const counters = comparisons.counters();
      return { kind, up, reason, troubles, failures: [], counters, auditDropped: audit.dropped };
    },
    close: async () => {
      await comparisons.close();
      await experiments.close();
      await Promise.allSettled([rollouts.refresh(), shadowOrders.refresh(), audit.close()]);
      await unlock();
    },
  };
}
