// Where a rollout may go from where. The table is the whole of it: what it does not name does not happen.

export type PhaseName =
  | 'pending'
  | 'step'
  | 'holding'
  | 'awaiting_approval'
  | 'suspended'
  | 'probing'
  | 'promoted'
  | 'rolled_back';

export const ROLLOUT_EVENTS = [
  'ready', // the candidate can be served, and is warm
  'done', // the step is over, and nothing speaks against the next
  'enough', // the same, where a person has to approve
  'trouble', // no one can tell how the candidate does
  'clear', // one can tell again
  'expired', // the longest duration has passed
  'freeze', // a guard was raised that only holds
  'suspend', // a guard was raised: the candidate's callers go back to the baseline
  'probe', // the pause is over: some callers ask the candidate again
  'widen', // the probe's callers did not ask anything: the candidate's own callers are to
  'passed', // the probe found nothing
  'failed', // the probe found the same, without evidence that would end the rollout
  'give_up', // so often that a person has to decide
  'fail', // the evidence has recurred: the rollout ends
  'promote', // a person: go on to the next step
  'pause',
  'resume',
  'rollback', // a person or an alert
] as const;
export type RolloutEvent = (typeof ROLLOUT_EVENTS)[number];

/** `next` is the next step or, after the last one, the promotion; `back` is where a suspension began. */
export type Target = Exclude<PhaseName, 'pending' | 'promoted'> | 'next' | 'back' | 'held';

/** Leaving is possible from everywhere. */
const LEAVE = { fail: 'rolled_back', rollback: 'rolled_back' } as const;
const SUSPEND = { suspend: 'suspended' } as const;
/** A person's word on a candidate whose callers are with the baseline. */
const WHILE_AWAY = { ...LEAVE, pause: 'held', resume: 'back', give_up: 'held' } as const;

const TABLE: Readonly<Record<PhaseName, Readonly<Partial<Record<RolloutEvent, Target>>>>> = {
  pending: { ...LEAVE, ready: 'step' },
  step: {
    ...LEAVE,
    ...SUSPEND,
    done: 'next',
    enough: 'awaiting_approval',
    trouble: 'holding',
    expired: 'holding',
    freeze: 'holding',
    pause: 'holding',
    promote: 'next',
  },
  holding: {
    ...LEAVE,
    ...SUSPEND,
    clear: 'step',
    freeze: 'holding',
    pause: 'holding',
    resume: 'step',
    promote: 'next',
  },
  awaiting_approval: {
    ...LEAVE,
    ...SUSPEND,
    trouble: 'holding',
    freeze: 'holding',
    pause: 'holding',
    promote: 'next',
  },
  suspended: { ...WHILE_AWAY, probe: 'probing' },
  probing: { ...WHILE_AWAY, widen: 'probing', passed: 'back', failed: 'suspended' },
  promoted: { ...LEAVE, ...SUSPEND },
  rolled_back: {},
};

/** Where an event leads; undefined where it does not belong. */
export function targetOf(phase: PhaseName, event: RolloutEvent): Target | undefined {
  return TABLE[phase][event];
}
