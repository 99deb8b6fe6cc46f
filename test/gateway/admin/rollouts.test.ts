import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { answering, fakeServer } from '../../support/fake-server.ts';
import { gateway, gatewayOf, infer, policyFile, type TestSettings } from '../../support/gateway.ts';
import { needs } from '../../support/programs.ts';
import { redisServer } from '../../support/redis.ts';
import { undo } from '../../support/undo.ts';
import { until } from '../../support/until.ts';

const policyFor = (server: string, steps: string) => `apiVersion: sluice/v1
fleet: { s: { url: "${server}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    pins: any
    rollout: { id: r, candidate: v2, unit: header x-user-id, steps: [${steps}], rollback: {} }
`;

type Status = {
  models: { m: { rollouts: { standing: { phase: string; epoch: number; bakedMs: number; requests: number } }[] } };
};

async function setup(t: TestContext, settings: TestSettings = {}, steps = '10% until approved, 100%') {
  const { url: server } = await fakeServer(t, answering({ outputs: [] }));
  const { url, adminUrl } = await gateway(t, policyFor(server, steps), settings);
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(adminUrl + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const order = (action: string, headers = {}) =>
    post(`/api/models/m/rollout/${action}`, { reason: 'a test' }, headers);
  const standing = async () => {
    const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
    return status.models.m.rollouts[0]?.standing;
  };
  return { url, adminUrl, post, order, standing };
}

const REASON = { reason: 'a test' };
const ROLLBACK = '/api/models/m/rollout/rollback';

test('an edit that may come from a web page, is no JSON or names another state changes nothing', async (t) => {
  const { post, standing } = await setup(t);
  const refused: readonly (readonly [number, string, unknown, Record<string, string>])[] = [
    [415, ROLLBACK, REASON, { 'content-type': 'text/plain' }],
    [415, ROLLBACK, 'reason=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    [403, ROLLBACK, REASON, { origin: 'http://evil.example' }],
    [400, ROLLBACK, '{', {}],
    [400, ROLLBACK, {}, {}],
    [400, ROLLBACK, { ...REASON, more: 1 }, {}],
    [404, '/api/models/x/rollout/rollback', REASON, {}],
    [404, ROLLBACK, { ...REASON, rollout: 'x' }, {}],
    [412, ROLLBACK, REASON, { 'if-match': '"77"' }],
    [409, '/api/models/m/rollout/resume', REASON, {}],
    [409, '/api/models/m/rollout/approve', REASON, {}],
  ];
  for (const [status, path, body, headers] of refused) {
    const answer = await post(path, body, headers);
    assert.equal(answer.status, status, `${path} ${JSON.stringify([body, headers])} ${await answer.text()}`);
  }
  assert.deepEqual([(await standing())?.phase, (await standing())?.epoch], ['step 1', 1]);
});

test('a token that is asked for is asked for by every edit', async (t) => {
  const { order } = await setup(t, { adminToken: 'secret' });
  assert.equal((await order('pause')).status, 401);
  assert.equal((await order('pause', { authorization: 'Bearer wrong' })).status, 401);
  assert.equal((await order('pause', { authorization: 'Bearer secret' })).status, 200);
});

test('a person pauses, resumes, promotes and rolls back, and the audit trail tells who, what and why', async (t) => {
  const { url, adminUrl, order, standing } = await setup(t);
  const walk = [
    ['pause', 'holding (paused) in step 1'],
    ['resume', 'step 1'],
    ['promote', 'step 2'],
    ['promote', 'promoted'],
    ['rollback', 'rolled back'],
  ] as const;
  for (const [action, phase] of walk) {
    assert.equal((await order(action, { 'if-match': `"${(await standing())?.epoch}"` })).status, 200, action);
    assert.equal((await standing())?.phase, phase);
  }
  assert.equal((await infer(url)).headers.get('x-sluice-version'), 'v1');
  assert.equal((await order('promote')).status, 409);
  const { entries } = (await (await fetch(`${adminUrl}/api/audit`)).json()) as { entries: Record<string, unknown>[] };
  assert.deepEqual(entries.map(({ event, sentence, rollout }) => [event, sentence, rollout]).reverse(), [
    ['ready', 'candidate and baseline can be served', 'r'],
    ...walk.map(([action]) => [action, 'a test', 'r']),
  ]);
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  assert.match(metrics, /sluice_rollout_transitions_total\{model="m",rollout="r",event="rollback"\} 1/);
  assert.match(metrics, /sluice_rollout_phase\{model="m",version="v2",rollout="r",phase="rolled_back"\} 1/);
});

test('of orders for one epoch the first is carried out, and the others are told the epoch that it has now', async (t) => {
  const { order, standing, post } = await setup(t, {}, '1% for 1h, 5% for 1h, 50% for 1h, 100%');
  const statuses = async (actions: readonly string[]) => {
    const epoch = (await standing())?.epoch ?? 0;
    const answers = await Promise.all(actions.map((action) => order(action, { 'if-match': `"${epoch}"` })));
    for (const answer of answers)
      if (answer.status === 412)
        assert.match(((await answer.json()) as { error: string }).error, new RegExp(`is ${epoch + 1}, not ${epoch}$`));
    return answers.map(({ status }) => status);
  };
  assert.deepEqual(await statuses(['promote', 'promote', 'promote']), [200, 412, 412]);
  assert.equal((await standing())?.phase, 'step 2');
  assert.deepEqual(await statuses(['pause', 'promote']), [200, 412]);
  assert.deepEqual(await statuses(['resume', 'rollback']), [200, 412]);
  assert.equal((await standing())?.phase, 'step 2');
  const epoch = (await standing())?.epoch ?? 0;
  const any = await post('/api/models/m/rollout/pause', REASON, { 'if-match': '*' });
  assert.deepEqual([any.status, any.headers.get('etag')], [200, `"${epoch + 1}"`]);
  assert.equal((await order('resume', { 'if-match': `"7", "${epoch + 1}"` })).status, 200);
  assert.equal((await order('pause', { 'if-match': 'nonsense' })).status, 412);
});

test(
  'of two orders for one epoch at two gateways one is carried out, and the other is told that it came second',
  needs('redis-server'),
  async (t) => {
    const redis = await redisServer(t);
    const settings = { redisUrl: redis.url };
    const steps = '1% for 1h, 2% for 1h, 3% for 1h, 4% for 1h, 5% for 1h, 6% for 1h, 100%';
    const [one, other] = [await setup(t, settings, steps), await setup(t, settings, steps)];
    for (let step = 1; step <= 6; step++) {
      const isThere = async () =>
        (await one.standing())?.phase === `step ${step}` && (await other.standing())?.phase === `step ${step}`;
      await until(isThere, `step ${step} at both`);
      const headers = { 'if-match': `"${(await one.standing())?.epoch}"` };
      const answers = await Promise.all([one.order('promote', headers), other.order('promote', headers)]);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412], `from step ${step}`);
      const late = (await answers.find(({ status }) => status === 412)?.json()) as { error: string };
      assert.match(late.error, /epoch.* is \d+/);
    }
    await until(
      async () => (await other.standing())?.phase === 'step 7' && (await one.standing())?.phase === 'step 7',
      'step 7',
    );
  },
);

test('fifty copies of a firing alert are one rollback, and a resolved one brings nothing back', async (t) => {
  const { post, standing, adminUrl } = await setup(t);
  const alert = (status: string, version: string) => ({
    version: '4',
    alerts: [
      {
        status,
        labels: { alertname: 'CandidateFails', model: 'm', version },
        startsAt: new Date(Date.now() + 1000).toISOString(),
        endsAt: '0001-01-01T00:00:00Z',
        fingerprint: 'f',
      },
    ],
  });
  for (const harmless of [alert('resolved', 'v2'), alert('firing', 'v1')])
    assert.equal((await post('/api/alerts', harmless)).status, 200);
  assert.equal((await post('/api/alerts', { ...alert('firing', 'v2'), version: '3' })).status, 400);
  assert.equal((await standing())?.phase, 'step 1');
  const answers = await Promise.all(Array.from({ length: 50 }, () => post('/api/alerts', alert('firing', 'v2'))));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  await post('/api/alerts', alert('resolved', 'v2'));
  assert.equal((await standing())?.phase, 'rolled back');
  const { entries } = (await (await fetch(`${adminUrl}/api/audit`)).json()) as { entries: { event: string }[] };
  assert.equal(entries.filter(({ event }) => event === 'rollback').length, 1);
});

test('an alert whose rollback the disk refuses is a 503, in effect all the same, and 200 once it lasts', async (t) => {
  const { url: server } = await fakeServer(t, answering({ outputs: [] }));
  const file = policyFile(t, policyFor(server, '10% until approved, 100%'));
  const { url, adminUrl } = await gatewayOf(t, file);
  const states = join(dirname(file), 'data', 'rollouts.json');
  rmSync(states);
  mkdirSync(join(states, 'in-the-way'), { recursive: true }); // no file can take the place of this
  const labels = { alertname: 'CandidateFails', model: 'm', version: 'v2' };
  const alerts = [{ status: 'firing', labels, startsAt: new Date(Date.now() + 1000).toISOString(), fingerprint: 'f' }];
  const post = () =>
    fetch(`${adminUrl}/api/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ version: '4', alerts }),
    });
  assert.equal((await post()).status, 503);
  assert.equal((await infer(url, { headers: { 'x-sluice-version': 'v2' } })).status, 409);
  rmSync(states, { recursive: true });
  assert.equal((await post()).status, 200);
});

test('alerts that were cut off count as what their group has in common', async (t) => {
  const { post, standing } = await setup(t);
  const group = (more: object) => ({
    version: '4',
    status: 'firing',
    groupKey: '{}:{alertname="CandidateFails"}',
    groupLabels: { alertname: 'CandidateFails' },
    commonLabels: { model: 'm', version: 'v2' },
    alerts: [],
    ...more,
  });
  assert.equal((await post('/api/alerts', group({}))).status, 200);
  assert.equal((await post('/api/alerts', group({ truncatedAlerts: 3, status: 'resolved' }))).status, 200);
  assert.equal((await standing())?.phase, 'step 1');
  assert.equal((await post('/api/alerts', group({ truncatedAlerts: 3 }))).status, 200);
  assert.equal((await standing())?.phase, 'rolled back');
});

test('an alert with long texts ends its rollout, and what is kept and shown of it stays short', async (t) => {
  const { url: server } = await fakeServer(t, answering({ outputs: [] }));
  const file = policyFile(t, policyFor(server, '10% until approved, 100%'));
  const { adminUrl } = await gatewayOf(t, file);
  const long = (text: string) => text.repeat(100_000);
  const startsAt = new Date(Date.now() + 1000).toUTCString();
  const body = {
    version: '4',
    status: 'firing',
    groupKey: long('g'),
    groupLabels: { alertname: long('a'), more: long('m') },
    commonLabels: { model: 'm', version: 'v2' },
    truncatedAlerts: 1,
    alerts: [
      {
        status: 'firing',
        labels: { alertname: long('n'), model: 'm', version: 'v2' },
        startsAt: `${startsAt} (${long('c')})`,
        fingerprint: long('f'),
      },
      { status: 'firing', labels: { model: 'other' }, startsAt, fingerprint: long('o') },
    ],
  };
  const answer = await fetch(`${adminUrl}/api/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  assert.deepEqual([answer.status, text.length < 2000], [200, true], text.slice(0, 300));
  assert.match(text, /"rolled_back":\["r"\]/);
  const told = {
    audit: await (await fetch(`${adminUrl}/api/audit`)).text(),
    status: await (await fetch(`${adminUrl}/api/status`)).text(),
    states: readFileSync(join(dirname(file), 'data', 'rollouts.json'), 'utf8'),
  };
  for (const [where, kept] of Object.entries(told)) assert.ok(kept.length < 50_000, `${where}: ${kept.length}`);
  assert.match(told.states, /f{100}/);
});

test('with the kill switch thrown no rollout starts by itself, and a person may still end one', async (t) => {
  const { order, standing } = await setup(t, { isAutomatic: false });
  assert.equal((await standing())?.phase, 'pending');
  assert.equal((await order('rollback')).status, 200);
  assert.equal((await standing())?.phase, 'rolled back');
});

test('a move is told by webhook, again and again until it is taken, and no one waits for it', async (t) => {
  const told: { text: string; event: string }[] = [];
  let tries = 0;
  const hook = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      if (tries++ > 0) told.push(JSON.parse(body));
      response.writeHead(tries > 1 ? 200 : 500).end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    hook.close();
    hook.closeAllConnections();
  });
  const { order } = await setup(t, { notifyUrl: `http://127.0.0.1:${(hook.address() as AddressInfo).port}` });
  assert.equal((await order('rollback')).status, 200);
  await until(() => told.length === 2, 'both notices');
  assert.deepEqual(
    told.map(({ event }) => event),
    ['ready', 'rollback'],
  );
  assert.match(told[1]?.text ?? '', /rollout r \(v2 of m\) went from step 1 to rolled back: a test/);
});

test('a restart goes on within a step where it was', async (t) => {
  const { url: server } = await fakeServer(t, answering({ outputs: [] }));
  const file = policyFile(t, policyFor(server, '50% for 1h, 100%'));
  const first = await gatewayOf(t, file);
  const standing = async (adminUrl: string) => {
    const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
    return status.models.m.rollouts[0]?.standing;
  };
  for (let i = 0; i < 40; i++) await infer(first.url, { headers: { 'x-user-id': `u${i}` } });
  await until(async () => ((await standing(first.adminUrl))?.requests ?? 0) > 5, 'judged requests');
  const before = await standing(first.adminUrl);
  await first.close();
  const second = await gatewayOf(t, file);
  const after = await standing(second.adminUrl);
  assert.ok(before && after && after.bakedMs >= before.bakedMs && after.requests >= before.requests);
  assert.deepEqual([after.phase, after.epoch], ['step 1', 1]);
});
