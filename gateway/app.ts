// Wires the gateway together and decides nothing: policy, fleet, two listeners, and how they start and drain.
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { ADMIN_PATHS, addAdminRoutes } from './admin/api.ts';
import { requireToken } from './admin/auth.ts';
import { type StatusInput, statusOf } from './admin/status.ts';
import { unsharedOf } from './admin/unshared.ts';
import type { GatewaySettings } from './env.ts';
import { listenError } from './errors.ts';
import { Admission } from './forward/admission.ts';
import { AnswerMemory } from './forward/answer-memory.ts';
import { Digests } from './forward/digests.ts';
import { Fleet } from './forward/fleet.ts';
import { addPassthrough } from './forward/passthrough.ts';
import { ReadinessProbes } from './forward/readiness.ts';
import { UnreadyVersions } from './forward/unready.ts';
import { standingOf, unjudgedOf } from './judge/told.ts';
import { FaultLog } from './observe/fault-log.ts';
import { addLogMetrics, createLog, type Logger } from './observe/log.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';
import { MissedInputs } from './observe/missed-inputs.ts';
import { addReadinessMetrics } from './observe/readiness-metrics.ts';
import { createRecorder } from './observe/record.ts';
import { addStoreMetrics } from './observe/store-metrics.ts';
import { addTierMetrics } from './observe/tier-metrics.ts';
import { troubleLog } from './observe/trouble-log.ts';
import { type Judge, openJudge } from './open-judge.ts';
import { openShadows, type Shadows } from './open-mirror.ts';
import { perRequest, perStream } from './per-request.ts';
import { PolicyInForce } from './policy/in-force.ts';
import type { Policy, Version } from './policy/policy.ts';
import { gatewayName } from './receive/hops.ts';
import { closeListener, createListener } from './receive/listener.ts';
import { Overload } from './receive/overload.ts';
import { addRoutes, DATA_PATHS } from './receive/routes.ts';
import type { Rollouts } from './rollouts.ts';
import { createExposer } from './store/expose.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { CALIBRATION_IGNORED, Tiering } from './tiering.ts';
import { VERSION } from './version.ts';

/** For answers that are on their way when the deadline passes. */
const LAST_WRITES_MS = 1000;
/** Of a call of the admin listener: 10,000 alerts, the most in one notification, are less than 4 MiB. */
const ADMIN_BODY_BYTES = 4 * 1024 * 1024;
/** How long a start waits for names to be looked up and candidates to be checked. */
const FIRST_LOOK_MS = 2000;

export type Gateway = {
  /** Where applications call. */
  readonly url: string;
  readonly adminUrl: string;
  /** Drains: readiness off, the grace time served, what is in flight answered, then closed; again, the same end. */
  readonly close: () => Promise<void>;
};

/** Starts a gateway. Throws UserError for a policy, address or setting it cannot start with. */
export async function startGateway(settings: GatewaySettings): Promise<Gateway> {
  requireToken(settings.adminHost, settings.adminToken);
  const lines = createLog(settings.logLevel, 'sluice-gateway');
  const { log } = lines;
  const inForce = new PolicyInForce({
    file: settings.policy,
    folder: settings.data,
    onTrouble: (message) => log.error({ policy: settings.policy }, message),
    onGoodAgain: () =>
      log.info({ policy: settings.policy }, 'the policy file is good again, and the same as what is in force'),
    onSettled: () => log.info({ policy: settings.policy }, 'the policy file has stopped changing and is taken'),
  });
  await inForce.open();
  const store = await openStore(settings, {
    onTrouble: troubleLog(log, 'the store'),
    onRecovered: () => log.info('the store works again'),
    rolloutIds: inForce.policy.onTrial.flatMap(({ rollouts }) => rollouts.map(({ id }) => id)),
  }).catch(async (error: unknown) => {
    await inForce.close();
    throw error;
  });
  const upstream = openUpstream(inForce.policy, new AnswerMemory(settings.limits.answerMemory), log);
  const metrics = createMetrics(VERSION, () => inForce.standing, upstream.servers);
  addLogMetrics(metrics.registry, lines);
  metrics.follow(inForce.policy);
  const missed = new MissedInputs(metrics.registry);
  missed.follow(inForce.policy);
  addStoreMetrics(metrics.registry, store, () => unsharedOf(store.rollouts.known(), judge.rollouts.ledger));
  addReadinessMetrics(metrics.registry, () => upstream.unready.readings());
  const judge = openJudge(settings, inForce.policy, {
    admission: upstream.admission,
    fleet: upstream.fleet,
    store,
    metrics,
    log,
  });
  const overload = new Overload();
  const shadows = openShadows(inForce.policy, {
    models: () => judge.rollouts.models,
    isBusy: () => !overload.hasRoom('batch'),
    digestOf: (version) => upstream.digests.of(version),
    onCompared: (model, candidate, comparisons) => judge.rollouts.countCompared(model, candidate, comparisons),
    store,
    metrics,
    log,
  });
  const faults = new FaultLog(log);
  const apps = createApps(settings, inForce, {
    upstream,
    judge,
    shadows,
    overload,
    store,
    metrics,
    missed,
    log,
    faults,
  });
  const { url, adminUrl } = await upstream
    .start()
    .then(() => Promise.race([judge.start(), sleep(FIRST_LOOK_MS)]))
    .then(() => listenBoth(apps, settings))
    .catch(async (error: unknown) => {
      overload.close();
      await judge.close();
      await shadows.close();
      await Promise.all([inForce.close(), upstream.close(), store.close()]);
      throw error;
    });
  let { sha256 } = inForce.policy;
  inForce.watch(({ policy, tookMs }) => {
    upstream.update(policy);
    metrics.follow(policy);
    missed.follow(policy);
    judge.update(policy);
    shadows.update(policy);
    const what = policy.sha256 === sha256 ? 'other certificates are in force' : 'a new policy is in force';
    sha256 = policy.sha256;
    log.info({ policy: settings.policy, sha256, tookMs }, what);
  });
  log.info({ url, adminUrl, policy: settings.policy, sha256: inForce.policy.sha256 }, 'gateway is serving');
  const close = once(async () => {
    apps.startDraining();
    log.info({ graceMs: settings.drainGraceMs }, 'gateway is draining');
    await sleep(settings.drainGraceMs);
    await inForce.close();
    // By then everything in flight is answered or past its deadline; a stream that goes on and on is cut.
    const longest = Math.min(longestTimeout(inForce.policy), settings.drainTimeoutMs);
    await closeListener(apps.data, longest + LAST_WRITES_MS);
    overload.close();
    await closeListener(apps.admin, LAST_WRITES_MS);
    await judge.close();
    await shadows.close();
    await Promise.all([upstream.close(), store.close()]);
    faults.close();
    log.info('gateway has drained');
  });
  return { url, adminUrl, close };
}

type Upstream = {
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
function openUpstream(policy: Policy, answers: AnswerMemory, log: Logger): Upstream {
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

type Parts = {
  readonly judge: Judge;
  readonly upstream: Upstream;
  readonly shadows: Shadows;
  readonly overload: Overload;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly missed: MissedInputs;
  readonly log: Logger;
  readonly faults: FaultLog;
};

type Apps = {
  readonly data: FastifyInstance;
  readonly admin: FastifyInstance;
  readonly startDraining: () => void;
};

function createApps(
  settings: GatewaySettings,
  inForce: PolicyInForce,
  { upstream, judge, shadows, overload, store, metrics, missed, log, faults }: Parts,
): Apps {
  const { gateway, fleet, admission, servers } = upstream;
  const { rollouts } = judge;
  const startedAt = new Date().toISOString();
  let draining = false;
  const isDraining = () => draining;
  const common = {
    limits: settings.limits,
    trustedProxies: settings.trustedProxies,
    isDraining,
    onBug: (error: unknown, requestId: string) => log.error({ err: error, requestId }, 'a bug of the gateway'),
  };
  const data = createListener({ ...common, paths: DATA_PATHS, onRefused: metrics.refused });
  const record = createRecorder(metrics, log, faults);
  const count = rollouts.count.bind(rollouts);
  const tiering = new Tiering({
    onAlarm(model, isAlarmed, wantedShare) {
      if (isAlarmed)
        log.warn({ model, wantedShare }, 'a tier has lost its confidence: far more wants to go up than the budget');
      else log.info({ model, wantedShare }, 'as much wants to go up as the budget allows');
    },
    onCalibration(model, tier, standing) {
      if (standing === 'applied') log.info({ model, tier }, 'the calibration is applied');
      else log.warn({ model, tier }, `the calibration is ignored: ${CALIBRATION_IGNORED[standing]}`);
    },
  });
  const missedOf = missed.add.bind(missed);
  addTierMetrics(metrics.registry, () => tiering.standings(inForce.policy.ladders));
  const expose = createExposer(store.experiments);
  const deps = () => ({
    models: rollouts.models,
    fleet,
    withheld: admission.withheld,
    outOfService: rollouts.outOfService,
    record,
    count,
    expose,
    shadows,
    warmUp: judge.warmUp,
    tiering,
    digestOf: (version: Version) => upstream.digests.of(version),
    random: Math.random,
    missed: missedOf,
  });
  addRoutes(data, {
    serve: (facts, onLeave) => perRequest(deps(), facts, onLeave),
    stream: (facts, path, streams, onLeave) => perStream(deps(), facts, path, streams, onLeave),
    prefixes: () => inForce.policy.prefixes,
    bodyLimit: settings.limits.bodyLimit,
    answerTimeoutMs: settings.limits.answerTimeoutMs,
    overload,
    answers: fleet.answers,
    isDraining,
    gateway,
    version: VERSION,
  });
  // The metric of refused requests counts those of applications.
  const admin = createListener({
    ...common,
    limits: { ...settings.limits, bodyLimit: Math.min(settings.limits.bodyLimit, ADMIN_BODY_BYTES) },
    bodyType: 'application/json', // a form must never be taken for JSON
    paths: ADMIN_PATHS,
    onRefused: () => {},
  });
  const status = () =>
    statusOf({
      version: VERSION,
      startedAt,
      draining,
      models: rollouts.models,
      standing: inForce.standing,
      withheld: admission.withheld,
      unreadyOf: (model, version) => upstream.unready.of(model, version),
      shadowsOf: shadows.standingsOf,
      missedOf: (model) => missed.of(model),
      ladderOf: (model) => tiering.standingOf(model),
      ...standingsOf(rollouts),
      refusals: rollouts.refusals,
      store: store.health(),
      damaged: store.damages.list(),
      unshared: unsharedOf(store.rollouts.known(), rollouts.ledger),
      isAutomatic: settings.isAutomatic,
      servers: servers(),
    });
  addAdminRoutes(admin, {
    token: settings.adminToken,
    metrics,
    status,
    isDraining,
    statesOf: (model) => rollouts.current.map(({ state }) => state).filter((state) => state.model === model),
    order: (id, order, expected) => judge.perTick.order(id, order, expected),
    heed: (alert) => judge.perTick.heed(alert),
    audit: store.audit,
    store,
    models: () => rollouts.models,
    pauseShadow: shadows.pause,
    hasShadow: (model, shadow) => shadows.standingsOf(model).some(({ name }) => name === shadow),
  });
  addPassthrough(admin, { fleet: () => inForce.policy.fleet });
  return {
    data,
    admin,
    startDraining: () => {
      draining = true;
    },
  };
}

async function listenBoth(
  { data, admin }: Apps,
  settings: GatewaySettings,
): Promise<{ url: string; adminUrl: string }> {
  const url = await listen(data, settings.host, settings.port, '--port');
  const adminUrl = await listen(admin, settings.adminHost, settings.adminPort, '--admin-port').catch(
    async (error: unknown) => {
      await data.close();
      throw error;
    },
  );
  return { url, adminUrl };
}

async function listen(app: FastifyInstance, host: string, port: number, flag: string): Promise<string> {
  return app.listen({ host, port }).catch((error: unknown) => {
    throw listenError(error, host, port, flag);
  });
}

/** Where every rollout is, and which of them no one can judge. */
function standingsOf(rollouts: Rollouts): Pick<StatusInput, 'rollouts' | 'held'> {
  const held = rollouts.held.map((each) => unjudgedOf(each, rollouts.isUnreadable(each.id)));
  const unjudged = new Map(held.map((each) => [each.id, each]));
  const standings = rollouts.current.map(({ rollout, state }) =>
    standingOf(rollout, state, rollouts.besides(rollout), unjudged.get(state.id)),
  );
  return { rollouts: standings, held };
}

function longestTimeout({ models }: Policy): number {
  const timeouts = [...models.values()].map((model) => (model.kind === 'served' ? model.timeoutMs : 0));
  return timeouts.reduce((longest, timeout) => Math.max(longest, timeout), 0);
}

/** The same end for everyone who asks for it. */
function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= run();
    return running;
  };
}
