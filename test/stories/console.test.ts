// The console in a real browser: what on-call does with it, by mouse and by keyboard, and what no one may do to it.
// With SHOTS=folder a picture of each view is kept there: wide and narrow, light and dark.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { Gateway } from '../../gateway/app.ts';
import { fakeServer } from '../support/fake-server.ts';
import { gateway, infer } from '../support/gateway.ts';
import { needs, pathOf } from '../support/programs.ts';
import { redisServer } from '../support/redis.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const HOSTILE = `<img src=x onerror="document.title='owned'">`;
const PAIRS = 240;
const WITHIN = { timeout: 10_000 };

let browser: Browser | undefined;
before(async () => {
  const executablePath = pathOf('chromium');
  if (executablePath === undefined) return;
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
});
after(() => browser?.close());

/** Answers a digit; in shadow one of five is another one, and one of forty fails. */
function digitServer(t: TestContext, isShadow: boolean): Promise<{ url: string }> {
  return fakeServer(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { k = 0 } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { k?: number };
      if (isShadow && k % 40 === 7) return void response.writeHead(500).end(JSON.stringify({ error: HOSTILE }));
      const label = isShadow && k % 5 === 0 ? (k + 1) % 10 : k % 10;
      const data = Array.from({ length: 10 }, (_, i) => (i === label ? 0.91 : 0.01));
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10], data }] }));
    });
  });
}

async function setUp(t: TestContext, token?: string): Promise<Gateway> {
  const [primary, mirrored] = [await digitServer(t, false), await digitServer(t, true)];
  const running = await gateway(
    t,
    `apiVersion: sluice/v1
fleet: { live: { url: "${primary.url}" }, trial: { url: "${mirrored.url}", class: gpu } }
models:
  digits:
    timeout: 2s
    versions: { v1: { servers: [live] }, v2: { servers: [trial] } }
    baseline: v1
    shadow:
      - version: v2
        sample: 100%
        compare: { as: classification, output: probabilities, slices: [x-tenant], keep: { fields: [outputs.*.data] } }
    rollout: { id: digits-v2, candidate: v2, unit: header x-user-id, without_unit: { key: nobody }, steps: [1% for 1h, 100%], rollback: {} }
  digits-large: { timeout: 1s, versions: { v1: { servers: [live] } }, baseline: v1 }
  ladder:
    tiers:
      ladder: { fast: digits, accurate: digits-large }
      rules: [{ use: fast }]
      costs: { fast: 1, accurate: 10 }
      escalate: { below: { fast: 0.95 }, budget: 50%, confidence: { output: probabilities } }
`,
    { adminToken: token },
  );
  for (let k = 0; k < PAIRS; k++) {
    const headers = { 'x-tenant': k % 3 === 0 ? HOSTILE : 'acme' };
    await (
      await infer(running.url, { body: JSON.stringify({ k }), headers }, k % 12 === 0 ? 'ladder' : 'digits')
    ).text();
  }
  return running;
}

/** A page that must make no error, ask no other host and show no markup of others. */
async function open(
  t: TestContext,
  { adminUrl }: Gateway,
  path = '',
  colorScheme: 'light' | 'dark' = 'light',
  width = 1280,
): Promise<Page> {
  assert.ok(browser !== undefined);
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  undo(t, () => context.close());
  const page = await context.newPage();
  const trouble: string[] = [];
  page.on('pageerror', (error) => trouble.push(String(error)));
  page.on(
    'console',
    (message) => message.type() === 'error' && !/status of 401/.test(message.text()) && trouble.push(message.text()),
  );
  page.on('request', (request) => {
    if (!request.url().startsWith(adminUrl) && !request.url().startsWith('data:'))
      trouble.push(`asked ${request.url()}`);
  });
  undo(t, async () => {
    assert.deepEqual(trouble, []);
    assert.equal(await page.title(), 'Sluice');
  });
  await page.goto(`${adminUrl}/${path}`);
  return page;
}

const comparison = 'console/#/shadow/digits/v2';

async function compared({ adminUrl }: Gateway): Promise<void> {
  await until(async () => {
    const answer = await (await fetch(`${adminUrl}/api/comparisons/summary?model=digits`)).json();
    return (answer as { subjects: { summary: { pairs: number } }[] }).subjects[0]?.summary.pairs === PAIRS;
  }, 'every pair');
}

async function give(page: Page, reason: string, order: string): Promise<void> {
  await page.getByLabel('Why (it goes on record)').fill(reason);
  await page.getByLabel('Who', { exact: true }).fill('ada');
  await page.getByRole('dialog').getByRole('button', { name: order }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached', ...WITHIN });
}

test(
  'on-call finds the worst field, opens an example, marks noise, pauses the shadow and rolls back',
  needs('chromium'),
  async (t) => {
    const running = await setUp(t);
    await compared(running);
    const page = await open(t, running);
    await page.getByRole('link', { name: 'Shadow v2' }).click(WITHIN);
    await page.getByText('v2: failed 6 times where v1 did not').waitFor(WITHIN);
    await page.getByRole('cell', { name: 'probabilities', exact: true }).first().waitFor(WITHIN);
    assert.ok(await page.getByText(HOSTILE).first().isVisible(), 'a hostile slice is text');
    const bars = page.getByRole('table', { name: 'latency differences' });
    const counts = await bars.locator('td.number').allInnerTexts();
    assert.equal(
      counts.reduce((sum, count) => sum + Number(count), 0),
      PAIRS - 6,
      'a pair of answers is in one band',
    );
    // The confusion matrix leads to the pairs behind a cell, and a pair shows both sides.
    await page.getByRole('button', { name: /of 0 that became 1$/ }).click();
    const examples = page.getByRole('dialog', { name: 'v1 said 0, v2 said 1' });
    await examples.getByRole('row').nth(20).waitFor(WITHIN);
    assert.equal(await examples.getByRole('row').count(), 21); // of 24 the page shows 20, and a head
    await examples.getByRole('row').nth(1).getByRole('button').click();
    const pair = page.getByRole('dialog', { name: /^request / });
    await pair.getByRole('row', { name: 'probabilities 0 1' }).waitFor(WITHIN);
    assert.match(await pair.locator('pre').innerText(), /0\.91/);
    await pair.getByRole('button', { name: 'Close' }).click();
    await examples.getByRole('button', { name: 'Close' }).click();

    await page.getByRole('button', { name: 'Mark as noise' }).click();
    await give(page, 'labels 0 and 1 were swapped on purpose', 'Mark as noise probabilities');
    await page.getByRole('cell', { name: 'marked as noise' }).waitFor(WITHIN);
    await page.getByRole('button', { name: 'Pause shadow' }).click();
    await give(page, 'enough seen', 'Pause shadow v2 of digits');
    await page.getByRole('button', { name: 'Resume shadow' }).waitFor(WITHIN);

    await page.getByRole('link', { name: 'Models' }).click();
    await page.getByRole('button', { name: 'Roll back' }).click();
    await give(page, `it is wrong ${HOSTILE}`, 'Roll back v2 of digits');
    await page.getByText(/^Rolled back/).waitFor(WITHIN);
    await page.getByRole('link', { name: 'History' }).click();
    await page.getByRole('cell', { name: `it is wrong ${HOSTILE}` }).waitFor(WITHIN);
    const rows = await page.getByRole('row').allInnerTexts();
    for (const what of [
      /field marked as noise.*ada.*swapped/s,
      /shadow paused.*ada.*enough seen/s,
      /rollback.*ada.*it is wrong/s,
    ])
      assert.ok(
        rows.some((row) => what.test(row)),
        `${what} in ${rows}`,
      );
  },
);

test(
  'a rollback that holds at this gateway only is said in the dialog and on the page until it is shared',
  needs('chromium', 'redis-server'),
  async (t) => {
    const redis = await redisServer(t);
    const { url } = await digitServer(t, false);
    const running = await gateway(
      t,
      `apiVersion: sluice/v1
fleet: { s: { url: "${url}" } }
models:
  digits:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    rollout: { id: digits-v2, candidate: v2, unit: random, steps: [1% for 1h, 100%], rollback: {} }
`,
      { redisUrl: redis.url },
    );
    assert.ok(browser !== undefined);
    const context = await browser.newContext();
    undo(t, () => context.close());
    const page = await context.newPage(); // without Redis some of its questions are answered with 503
    await page.goto(`${running.adminUrl}/console/`);
    await page.getByText('step 1').first().waitFor(WITHIN);
    await redis.kill();
    await page
      .getByRole('button', { name: /^Roll ?back/i })
      .first()
      .click(WITHIN);
    const dialog = page.getByRole('dialog');
    await page.getByLabel('Why (it goes on record)').fill('it is wrong');
    await page.getByLabel('Who', { exact: true }).fill('ada');
    await dialog.locator('button[type=submit]').click();
    await dialog
      .getByRole('alert')
      .getByText(/Done, but it holds at this gateway only/)
      .waitFor(WITHIN);
    await dialog.getByRole('button', { name: 'Close' }).click();
    const banner = page.getByText(/^The rollback of digits-v2 holds at this gateway only/);
    await banner.waitFor(WITHIN);
    await redis.start();
    await banner.waitFor({ state: 'detached', timeout: 20_000 });
  },
);

test('everything can be reached by keyboard, and focus is where one looks', needs('chromium'), async (t) => {
  const running = await setUp(t);
  await compared(running);
  const page = await open(t, running, comparison);
  await page.getByRole('button', { name: 'Pause shadow' }).focus(WITHIN);
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate('document.activeElement.id'), 'reason');
  await page.keyboard.type('by keyboard');
  await page.keyboard.press('Tab');
  await page.keyboard.type('ada');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Resume shadow' }).waitFor(WITHIN);
  await page.getByRole('button', { name: 'That differ' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor(WITHIN);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached', ...WITHIN });
});

test(
  'with a token the page asks for it, keeps it in the tab, and says when it is wrong',
  needs('chromium'),
  async (t) => {
    const running = await setUp(t, 'a-long-secret');
    const page = await open(t, running, 'console/');
    await page.getByLabel('SLUICE_ADMIN_TOKEN').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('a token is needed').waitFor(WITHIN);
    await page.getByLabel('SLUICE_ADMIN_TOKEN').fill('a-long-secret');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Models' }).waitFor(WITHIN);
    assert.deepEqual(await page.context().cookies(), []);
  },
);

test('a page of another origin reads nothing and changes nothing', needs('chromium'), async (t) => {
  const running = await setUp(t);
  const evil = createServer((_request, response) =>
    response.setHeader('content-type', 'text/html').end('<title>evil</title>'),
  );
  await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
  undo(t, () => evil.close());
  assert.ok(browser !== undefined);
  const page = await browser.newPage();
  undo(t, () => page.close());
  await page.goto(`http://localhost:${(evil.address() as AddressInfo).port}/`);
  const tried = await page.evaluate(async (adminUrl) => {
    const attempts: RequestInit[] = [
      { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body: '{"reason":"x"}' },
      { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ reason: 'x' }) },
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"reason":"x"}' },
      { method: 'GET' },
    ];
    const told: string[] = [];
    for (const path of ['/api/models/digits/shadows/v2/pause', '/api/models/digits/rollout/rollback', '/api/status'])
      for (const attempt of attempts)
        told.push(
          await fetch(adminUrl + path, attempt).then(
            (answer) => answer.type,
            () => 'refused',
          ),
        );
    return told;
  }, running.adminUrl);
  assert.ok(
    tried.every((each) => each === 'opaque' || each === 'refused'),
    `${tried}`,
  );
  const { models } = (await (await fetch(`${running.adminUrl}/api/status`)).json()) as {
    models: { digits: { shadows: { isPaused: boolean }[]; rollouts: { standing?: { rolledBack?: object } }[] } };
  };
  assert.equal(models.digits.shadows[0]?.isPaused, false);
  assert.equal(models.digits.rollouts[0]?.standing?.rolledBack, undefined);
  const { headers } = await fetch(`${running.adminUrl}/console/`);
  assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/);
});

test('no view is wider than its window, at 1280 and at 390 pixels, light and dark', needs('chromium'), async (t) => {
  const running = await setUp(t);
  await compared(running);
  for (const [name, path, sign] of [
    ['models', 'console/', 'Fleet'],
    ['shadow', comparison, 'Coverage'],
    ['history', 'console/#/audit', 'History'],
  ] as const)
    for (const width of [1280, 390])
      for (const scheme of ['light', 'dark'] as const) {
        const page = await open(t, running, path, scheme, width);
        await page.getByRole('heading', { name: sign }).waitFor(WITHIN);
        const wide = await page.evaluate('document.documentElement.scrollWidth');
        assert.ok(Number(wide) <= width, `${name} is ${wide} wide at ${width}`);
        if (name === 'shadow') {
          const box = await page.getByRole('button', { name: 'Mark as noise' }).boundingBox();
          assert.ok(box !== null && box.x >= 0 && box.x + box.width <= width, `${JSON.stringify(box)} at ${width}`);
        }
        const folder = process.env.SHOTS;
        if (folder !== undefined)
          await page.screenshot({ path: join(folder, `${name}-${width}-${scheme}.png`), fullPage: true });
      }
});
