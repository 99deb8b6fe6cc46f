// Opens the fleet, and what keeps asking it how it is.
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnswerMemory } from '../forward/answer-memory.ts';
import { Fleet } from '../forward/fleet/fleet.ts';
import { Admission } from '../forward/watch/admission.ts';
import { Digests } from '../forward/watch/digests.ts';
import { ReadinessProbes } from '../forward/watch/readiness.ts';
import { UnreadyVersions } from '../forward/watch/unready.ts';
import type { Logger } from '../observe/log.ts';
import { troubleLog } from '../observe/trouble-log.ts';
import type { Policy, Version } from '../policy/policy.ts';
import { gatewayName } from '../receive/http/hops.ts';

/** How long a start waits for names to be looked up and candidates to be checked. */
export const FIRST_LOOK_MS = 2000;

export type Upstream = {
  /** The name of this gateway in `Via`. */
  readonly gateway: string;
  readonly fleet: Fleet;
  /** Which model files answer. */
  readonly digests: Digests;
  readonly admission: Admission;
  readonly unready: UnreadyVersions;
  readonly servers: () => ReturnType<Fleet['readings']>;
  readonly start: () => Promise<void>;
  readonly update: (policy: Policy) => void;
  readonly close: () => Promise<void>;
};

/** The versions of which a calibration asks what model file they are. */
function calibratedIn({ ladders }: Policy): Version[] {
  return ladders.flatMap(({ escalation, ladder }) =>
    [...(escalation?.calibrations.keys() ?? [])].flatMap((tier) => [...(ladder.get(tier)?.versions.values() ?? [])]),
  );
}

/** The fleet, and what keeps asking it how it is. */
export function openUpstream(policy: Policy, answers: AnswerMemory, log: Logger): Upstream {
  const fleet = new Fleet(policy, answers, troubleLog(log, 'the name of a server leads nowhere'));
  const digests = new Digests(fleet);
  const admission = new Admission(fleet, policy, ({ model, label }, reason) => {
    if (reason === undefined) log.info({ model, version: label }, 'a candidate that was withheld may receive traffic');
    else log.warn({ model, version: label, reason }, 'a candidate is withheld: the baseline answers in its place');
  });
  const gateway = gatewayName();
  const probes = new ReadinessProbes(fleet, policy, gateway);
  const unready = new UnreadyVersions(fleet, policy, ({ model, version, role, unready }) => {
    if (unready === undefined) log.info({ model, version, role }, 'a version has a ready server again');
    else log.warn({ model, version, role, since: unready.since }, unready.sentence);
  });
  return {
    gateway,
    fleet,
    digests,
    admission,
    unready,
    servers: () => fleet.readings(performance.now()),
    // So that the first callers find their servers and their candidate; not longer, for a fleet may start after us.
    start: () =>
      Promise.race([
        fleet
          .lookUp()
          .then(async () => void (await Promise.all([admission.check(), digests.learn(calibratedIn(policy))]))),
        sleep(FIRST_LOOK_MS),
      ]),
    update: (next) => {
      fleet.update(next);
      void digests.learn(calibratedIn(next));
      admission.update(next);
      probes.update(next);
      unready.update(next);
    },
    close: async () => {
      admission.close();
      probes.close();
      unready.close();
      await fleet.close();
    },
  };
}
