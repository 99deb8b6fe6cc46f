// What people see of a rollout that is suspended, held or not judged: the same gateway on the page, in the command and in metrics.
// With SHOTS=folder a picture of each is kept there.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { Gateway } from '../../gateway/app.ts';
import { sluice } from '../gateway/cli/sluice.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gatewayOf, infer, policyFile } from '../support/gateway.ts';
import { needs, pathOf } from '../support/programs.ts';
import { standingOf } from '../support/standing.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const WITHIN = { timeout: 10_000 };
const ORDERS = ['promote', 'resume', 'pause', 'rollback'] as const;

let browser: Browser | undefined;
before(async () => {
  const executablePath = pathOf('chromium');
  if (executablePath === undefined) return;
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
});
after(() => browser?.close());

/** A policy file of a model whose candidate fails whenever it is asked. */
async function failingCandidate(t: TestContext): Promise<string> {
  const good = await fakeServer(t, answering({ outputs: [] }));
  const bad = await fakeServer(t, answering({ error: 'no memory' }, 500));
  return policyFile(
    t,
    `apiVersion: sluice/v1
fleet: { a: { url: "${good.url}" }, b: { url: "${bad.url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [a] }, v2: { servers: [b] } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: header x-user-id, steps: [10% for 1h, 50% for 1h, 100%], rollback: {}, warm_up: 0 }
`,
  );
}

/** Many users ask until the gateway has suspended the candidate. */
async function suspended(running: Gateway): Promise<void> {
  let user = 0;
  const ask = async () => (await infer(running.url, { headers: { 'x-user-id': `user-${user++}` } })).text();
  await until(async () => {
    await Promise.all(Array.from({ length: 20 }, ask));
    return (await standingOf(running.adminUrl))?.suspended?.is === 'paused';
  }, 'a suspended candidate');
}

async function open(t: TestContext, { adminUrl }: Gateway, width = 1280): Promise<Page> {
  assert.ok(browser !== undefined);
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  undo(t, () => page.close());
  await page.goto(`${adminUrl}/console/`);
  return page;
}

async function shoot(page: Page, name: string): Promise<void> {
  const wide = await page.evaluate('[document.documentElement.scrollWidth, window.innerWidth]');
  const [scroll, inner] = wide as [number, number];
  assert.ok(scroll <= inner, `${name} is ${scroll} wide at ${inner}`);
  const folder = process.env.SHOTS;
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

async function give(page: Page, button: string): Promise<void> {
  await page.getByRole('button', { name: button, exact: true }).click();
  await page.getByLabel('Why (it goes on record)').fill('a test');
  await page.getByLabel('Who', { exact: true }).fill('ada');
  await page
    .getByRole('dialog')
    .getByRole('button', { name: `${button} v2 of m` })
    .click();
  await page.getByRole('dialog').waitFor({ state: 'detached', ...WITHIN });
}

/** Every order that is offered is granted, and no other one would be. */
async function offered(running: Gateway): Promise<string[]> {
  return (await standingOf(running.adminUrl))?.choices.map(({ what }) => what) ?? [];
}

async function metric({ adminUrl }: Gateway, series: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? Number.NaN : Number(line.slice(series.length + 1));
}

const LABELS = 'model="m",version="v2",rollout="r"';

test(
  'a suspended candidate: why, what comes next, and three orders, of which each is granted',
  needs('chromium'),
  async (t) => {
    const running = await gatewayOf(t, await failingCandidate(t));
    const event = (name: string) =>
      metric(running, `sluice_rollout_transitions_total{model="m",rollout="r",event="${name}"}`);
    assert.equal(await event('suspend'), 0, 'a count starts at 0');
    await suspended(running);
    const { stdout } = await sluice(['status', '--admin', running.adminUrl]);
    assert.match(stdout, /rollout r: v2 at 0 %, suspended in step 1 of 3/);
    assert.match(stdout, /! suspended since 2\d{3}-/);
    assert.match(stdout, /now {3}all callers are with v1\n/);
    assert.match(stdout, /why {3}v2 failed \d+ of \d+ \(100 %\)/);
    assert.match(
      stdout,
      /next {2}in \d+ s a probe: callers that v2 did not have \(5 % of all\) ask v2 again; if the evidence/,
    );
    assert.match(stdout, /sluice resume m --reason TEXT {4}v2 gets its callers back now/);
    assert.equal(await event('suspend'), 1);
    assert.equal(await metric(running, `sluice_rollout_suspended{${LABELS},guard="consecutive_failures"}`), 1);
    assert.equal(await metric(running, `sluice_rollout_suspended{${LABELS},guard="servers"}`), 0);
    assert.equal(await metric(running, `sluice_rollout_unjudged{${LABELS}}`), 0);
    assert.deepEqual(await offered(running), ['resume', 'pause', 'rollback']);

    const page = await open(t, running);
    await page.getByText(/^Suspended in step 1 of 3 since/).waitFor(WITHIN);
    await page.getByText(/^in \d+ s a probe: callers that v2 did not have/).waitFor(WITHIN);
    assert.equal(await page.getByRole('button', { name: 'Promote' }).count(), 0, 'nothing that would be refused');
    await shoot(page, 'suspended');
    const narrow = await open(t, running, 390);
    await narrow.getByText(/^Suspended in step 1 of 3 since/).waitFor(WITHIN);
    await shoot(narrow, 'suspended-390');

    await give(page, 'Pause');
    await page.getByText(/^Suspended \(held\) in step 1 of 3/).waitFor(WITHIN);
    await page.getByText('a person decides: someone paused it (a test), and no probe follows.').waitFor(WITHIN);
    await shoot(page, 'held');
    assert.equal(await metric(running, `sluice_rollout_held{${LABELS},why="paused"}`), 1);
    assert.deepEqual(await offered(running), ['resume', 'rollback']);
    await give(page, 'Resume');
    await page.getByText(/^step 1 of 3/).waitFor(WITHIN);
    assert.deepEqual(await offered(running), ['promote', 'pause', 'rollback']);
    await suspended(running);
    await page.getByText(/^Suspended in step 1 of 3 since/).waitFor(WITHIN);
    await give(page, 'Roll back');
    await page.getByText(/^Rolled back .*: a test$/).waitFor(WITHIN);
    assert.deepEqual(await offered(running), []);
  },
);

test(
  'a rollout whose state cannot be read is held on its baseline, is reported, and can only be rolled back',
  needs('chromium'),
  async (t) => {
    const file = await failingCandidate(t);
    const data = join(dirname(file), 'data');
    mkdirSync(data);
    const unreadable = { id: 'r', epoch: 3, format: 99 };
    writeFileSync(join(data, 'rollouts.json'), JSON.stringify({ documents: [unreadable], rolledBack: [] }));
    const running = await gatewayOf(t, file);
    const text = 'its stored state cannot be read: format 99 was written by another release; this one reads up to 2';
    const { stdout } = await sluice(['status', '--admin', running.adminUrl]);
    assert.ok(stdout.includes(`! rollout r is held on its baseline: ${text}; next: end it with a rollback`), stdout);
    assert.match(
      stdout,
      /rollout r: v2 at 0 %, held, nobody can judge it \(see above\)\n {4}you can\n {4}sluice rollback m --reason TEXT/,
    );
    assert.equal(await metric(running, `sluice_rollout_unjudged{${LABELS}}`), 1);
    const page = await open(t, running);
    await page.getByText('Held: nobody can judge this rollout').waitFor(WITHIN);
    await shoot(page, 'unjudged');
    for (const order of ORDERS.filter((each) => each !== 'rollback'))
      assert.equal(await page.getByRole('button', { name: order }).count(), 0, order);
    await give(page, 'Roll back');
    await page.getByText(/^Rolled back/).waitFor(WITHIN);
    // What is held is looked at again every second.
    await until(
      async () => (await metric(running, `sluice_rollout_unjudged{${LABELS}}`)) === 0,
      'a rollout that is over',
    );
    assert.doesNotMatch((await sluice(['status', '--admin', running.adminUrl])).stdout, /held/);
  },
);
