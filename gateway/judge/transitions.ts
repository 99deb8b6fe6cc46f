// Where a rollout may go from where. The table is the whole of it: what it does not name does not happen.

export type PhaseName = 'pending' | 'step' | 'holding' | 'awaiting_approval' | 'promoted' | 'rolled_back';

export type RolloutEvent =
  | 'ready' // the candidate can be served
  | 'done' // the step is over, and nothing speaks against the next
  | 'enough' // the same, where a person has to approve
  | 'trouble' // no one can tell how the candidate does
  | 'clear' // one can tell again
  | 'expired' // the longest duration has passed
  | 'freeze' // a guard was raised that only holds
  | 'fail' // a guard was raised
  | 'promote' // a person: go on to the next step
  | 'pause'
  | 'resume'
  | 'rollback'; // a person or an alert

/** `next` is the next step or, after the last one, the promotion. */
export type Target = Exclude<PhaseName, 'pending' | 'promoted'> | 'next';

/** Leaving is possible from everywhere. */
const LEAVE = { fail: 'rolled_back', rollback: 'rolled_back' } as const;

const TABLE: Readonly<Record<PhaseName, Readonly<Partial<Record<RolloutEvent, Target>>>>> = {
  pending: { ...LEAVE, ready: 'step' },
  step: {
    ...LEAVE,
    done: 'next',
    enough: 'awaiting_approval',
    trouble: 'holding',
    expired: 'holding',
    freeze: 'holding',
    pause: 'holding',
    promote: 'next',
  },
  holding: { ...LEAVE, clear: 'step', freeze: 'holding', pause: 'holding', resume: 'step', promote: 'next' },
  awaiting_approval: { ...LEAVE, trouble: 'holding', freeze: 'holding', pause: 'holding', promote: 'next' },
  promoted: LEAVE,
  rolled_back: {},
};

/** Where an event leads; undefined where it does not belong. */
export function targetOf(phase: PhaseName, event: RolloutEvent): Target | undefined {
  return TABLE[phase][event];
}
