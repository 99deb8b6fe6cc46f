// Every key that Sluice has in Redis. All of them carry one hash tag, so that in a Cluster they lie on one node and one script
// may touch several: what is stored is small and bounded, and a Cluster brings it availability, not room.
import { createHash } from 'node:crypto';
import { type Subject, subjectKey } from '../../compare/batch.ts';
import { UserError } from '../../errors.ts';
import { encode } from '../../statistics/sums.ts';
import type { Slot } from '../store.ts';

const PREFIX = /^[A-Za-z0-9._:-]{1,64}$/;

export type RedisKeys = ReturnType<typeof redisKeys>;

/** The keys below a prefix. Names of models and the like are encoded: they cannot leave their place. Throws UserError. */
export function redisKeys(prefix: string) {
  if (!PREFIX.test(prefix))
    throw new UserError(
      `the Redis prefix "${prefix}" may hold only letters, digits, ".", "_", ":" and "-", at most 64`,
    );
  const key = (...parts: readonly string[]) => [`{${prefix}}`, ...parts].join(':');
  return {
    /** A pattern of all keys and channels. */
    all: `{${prefix}}:*`,
    /** Keys of each type that mean nothing, for trying what Redis lets a gateway do. */
    check: (type: string) => key('check', type),
    /** String: the last batch of a replica that was applied. */
    applied: (replica: string) => key('applied', replica),
    /** Stream: comparisons, field `c`. */
    comparisons: key('comparisons'),
    /** Sorted set: subjects by the minute in which they were last seen. */
    subjects: key('subjects'),
    /** Hash: sums of a subject in one slot of time. */
    sums: (slot: Slot, number: number, subject: Subject) => key('sums', slot, String(number), subjectKey(subject)),
    /** String with a TTL: values kept of one comparison. Callers choose ids, so the key has the id's hash. */
    kept: (id: string) => key('kept', createHash('sha256').update(id).digest('hex').slice(0, 32)),
    /** Hash: counts of one second of a model, each replica's in fields of its own. */
    window: (model: string, second: number) => key('window', encode(model), String(second)),
    /** Hash: rollout documents by id. */
    rollouts: key('rollouts'),
    /** Set: ids of rollouts that were rolled back. Only ever grows. */
    rolledBack: key('rolled-back'),
    /** Channel: the id of a rollout whose state has just changed. A hint. */
    hints: key('hints'),
    /** Hash: what was last ordered of each shadow, by `model/shadow`. */
    shadowOrders: key('shadow-orders'),
    /** Stream: audit entries, field `a`. */
    audit: key('audit'),
    /** Sorted set: the units of an experiment with the smallest hashes, `arm/hash` by hash. */
    units: (experiment: string) => key('units', encode(experiment)),
    /** Hash: sums of an experiment's arms, `arm/name`. */
    arms: (experiment: string) => key('arms', encode(experiment)),
  };
}

/** The keys with a type of their own that another application might already use. */
export function fixedKeys(keys: RedisKeys): readonly (readonly [key: string, type: string])[] {
  return [
    [keys.comparisons, 'stream'],
    [keys.audit, 'stream'],
    [keys.subjects, 'zset'],
    [keys.rollouts, 'hash'],
    [keys.rolledBack, 'set'],
    [keys.shadowOrders, 'hash'],
  ];
}
