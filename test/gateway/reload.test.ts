// Reload, as people do it: edits, symlink swaps, half-written files, storms; under load, with a ledger of request ids.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Gateway } from '../../gateway/app.ts';
import { answering, type FakeServer, fakeServer } from '../support/fake-server.ts';
import { folderOf } from '../support/folder.ts';
import { gatewayOf, infer, policyOf } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { replaceFile } from '../support/replace-file.ts';
import { until } from '../support/until.ts';
import { sluice } from './cli/sluice.ts';

/** The promise is 250 ms; a busy machine may take five times as long. */
const VISIBLE_WITHIN_MS = 5 * 250;

type Status = {
  policy: { sha256: string; from: string; mistake?: string; unsettled?: string };
  fleet: Record<string, unknown>;
};

async function statusOf({ adminUrl }: Pick<Gateway, 'adminUrl'>): Promise<Status> {
  return (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
}

async function lastReloadOk({ adminUrl }: Gateway): Promise<string | undefined> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return /^sluice_policy_last_reload_ok (\d)$/m.exec(text)?.[1];
}

function folder(t: TestContext): string {
  const path = folderOf(t, 'reload');
  return path;
}

/** Two fakes that tell who they are, and a policy for each. */
async function twoFakes(t: TestContext): Promise<{ a: string; b: string }> {
  const a = await fakeServer(t, answering({ server: 'a' }));
  const b = await fakeServer(t, answering({ server: 'b' }));
  return { a: policyOf([a.url]), b: policyOf([b.url]) };
}

async function who({ url }: Pick<Gateway, 'url'>): Promise<string> {
  return ((await (await infer(url)).json()) as { server: string }).server;
}

test('a file that is renamed into place is visible to new requests within 250 ms', async (t) => {
  const { a, b } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, a);
  const gateway = await gatewayOf(t, file);
  const times: number[] = [];
  for (const [text, server] of [
    [b, 'b'],
    [a, 'a'],
    [b, 'b'],
    [a, 'a'],
    [b, 'b'],
  ] as const) {
    replaceFile(file, text);
    const start = performance.now();
    while ((await who(gateway)) !== server)
      assert.ok(performance.now() - start < VISIBLE_WITHIN_MS, 'not visible in time');
    times.push(Math.round(performance.now() - start));
    await sleep(100);
  }
  t.diagnostic(`an edit was visible after ${times.join(', ')} ms`);
});

test('a whole file that ends with end: true and is written in place is visible within 250 ms', async (t) => {
  const { a, b } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, a);
  const gateway = await gatewayOf(t, file);
  for (const [text, server] of [
    [`${b}end: true\n`, 'b'],
    [`${a}end: true # of it\n# and a comment\n\n`, 'a'],
    [`${b}end: true`, 'b'],
  ] as const) {
    writeFileSync(file, text);
    const start = performance.now();
    while ((await who(gateway)) !== server)
      assert.ok(performance.now() - start < VISIBLE_WITHIN_MS, 'not visible in time');
    await sleep(100);
  }
});

/** How people and tools write a file in two pieces, with a pause between them. */
const IN_TWO_PIECES: readonly (readonly [
  string,
  (file: string, pieces: readonly [string, string]) => Promise<void>,
])[] = [
  [
    'cat > and scp: truncated, then appended to',
    async (file, [first, second]) => {
      writeFileSync(file, first);
      await sleep(500);
      appendFileSync(file, second);
    },
  ],
  [
    'an editor: truncated, some time empty, then written',
    async (file, [first, second]) => {
      writeFileSync(file, '');
      await sleep(300);
      appendFileSync(file, first);
      await sleep(500);
      appendFileSync(file, second);
    },
  ],
  [
    'rm, and some time later a new file in pieces',
    async (file, [first, second]) => {
      unlinkSync(file);
      await sleep(200);
      writeFileSync(file, first);
      await sleep(500);
      appendFileSync(file, second);
    },
  ],
];

for (const [how, write] of IN_TWO_PIECES) {
  test(`a policy written in two pieces is never in force as the first alone (${how})`, async (t) => {
    const server = await fakeServer(t, answering({ server: 'a' }));
    const file = join(folder(t), 'policy.yaml');
    const extra = '  z: { timeout: 1s, versions: { v1: { servers: [s0] } }, baseline: v1 }\n';
    const first = policyOf([server.url]);
    writeFileSync(file, first + extra);
    const gateway = await gatewayOf(t, file);
    const { sha256 } = (await statusOf(gateway)).policy;
    const statuses: number[] = [];
    let done = false;
    const asking = (async () => {
      for (; !done; await sleep(10)) statuses.push((await infer(gateway.url, {}, 'z')).status);
    })();
    await write(file, [first, `${extra}# an edit\n`]);
    await until(async () => (await statusOf(gateway)).policy.sha256 !== sha256, 'the whole file is in force');
    done = true;
    await asking;
    assert.ok(statuses.length > 20);
    assert.deepEqual([...new Set(statuses)], [200]);
  });
}

test('a file that keeps changing is reported once with what to do, and once when it has stopped and is taken', async (t) => {
  const { a, b } = await twoFakes(t);
  const gateway = await gatewayProcess(t, a, ['--log-level', 'info']);
  const lines = (text: RegExp) =>
    gateway
      .log()
      .split('\n')
      .filter((line) => text.test(line));
  writeFileSync(gateway.policy, b);
  const touching = setInterval(() => utimesSync(gateway.policy, new Date(), new Date()), 300);
  t.after(() => clearInterval(touching));
  await until(async () => (await statusOf(gateway)).policy.unsettled !== undefined, 'the standing', 8000);
  assert.match(
    (await statusOf(gateway)).policy.unsettled ?? '',
    /keeps changing and is not taken yet.* Write another file and rename it over this one, or end the file with the line "end: true"$/,
  );
  await sleep(1500);
  assert.equal(await who(gateway), 'a', 'it is not taken');
  assert.equal(lines(/keeps changing and is not taken yet/).length, 1);
  assert.equal(lines(/has stopped changing/).length, 0);
  const { stdout } = await sluice(['status', '--admin', gateway.adminUrl]);
  assert.match(stdout, /^! the policy file, or a certificate that it names, keeps changing/m);
  clearInterval(touching);
  await until(async () => (await who(gateway)) === 'b', 'the file is taken', 8000);
  await until(async () => (await statusOf(gateway)).policy.unsettled === undefined, 'the standing is as before');
  await until(() => lines(/has stopped changing and is taken/).length === 1, 'the line that it is taken');
});

test('a bad file changes nothing and is told everywhere, and a good one heals it', async (t) => {
  const { a, b } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, a);
  const gateway = await gatewayOf(t, file);
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /:1:1 the policy is empty/],
    [a.replace('baseline: v1', 'baseline: v7'), /:7:15 models\.m\.baseline: no version "v7"/],
    [
      a.replace('timeout: 1s', 'timeout: 1s\n    shadow: [{ version: v2, sample: 5% }]'),
      /:9:\d+ models\.m\.shadow\.0\.version/,
    ],
    [
      `${a}  llm:\n    protocol: http\n    prefix: /llm\n    timeout: 1s\n    versions: { v1: { servers: [s0] }, v2: { servers: [s0] } }\n    baseline: v1\n    shadow: [{ model: m, sample: 1% }]\n`,
      /:\d+:\d+ models\.llm\.shadow\.0\.model: model "m" has protocol oip and cannot take copies of http/,
    ],
    ['{'.repeat(50_000), /policy\.yaml/],
  ];
  for (const [text, message] of bad) {
    writeFileSync(file, text);
    await until(async () => message.test((await statusOf(gateway)).policy.mistake ?? ''), `${message}`);
    assert.equal(await lastReloadOk(gateway), '0');
    assert.equal(await who(gateway), 'a');
  }
  unlinkSync(file);
  await until(
    async () => /no such file/.test((await statusOf(gateway)).policy.mistake ?? ''),
    'the missing file is told',
  );
  assert.equal(await who(gateway), 'a');
  writeFileSync(file, b);
  await until(async () => (await who(gateway)) === 'b', 'the good file decides');
  assert.equal((await statusOf(gateway)).policy.mistake, undefined);
  assert.equal(await lastReloadOk(gateway), '1');
});

test('an edit while the gateway starts is not missed', async (t) => {
  const { a, b } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, a);
  const starting = gatewayOf(t, file);
  for (let i = 0; i < 20; i++) {
    await sleep(20);
    writeFileSync(file, `${a}# ${i}\n`);
  }
  writeFileSync(file, b);
  const gateway = await starting;
  await until(async () => (await who(gateway)) === 'b', 'the edit decides');
});

test('a symlink that is swapped, as Kubernetes does for ConfigMaps, is followed', async (t) => {
  const { a, b } = await twoFakes(t);
  const root = folder(t);
  for (const [name, text] of [
    ['one', a],
    ['two', b],
  ] as const) {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, 'policy.yaml'), text);
  }
  symlinkSync('one', join(root, '..data'));
  symlinkSync(join('..data', 'policy.yaml'), join(root, 'policy.yaml'));
  const gateway = await gatewayOf(t, join(root, 'policy.yaml'));
  assert.equal(await who(gateway), 'a');
  symlinkSync('two', join(root, '..new'));
  renameSync(join(root, '..new'), join(root, '..data'));
  await until(async () => (await who(gateway)) === 'b', 'the other folder decides');
});

test('a file that grows line by line is taken when it has stopped, not while it is a valid half', async (t) => {
  const { a, b } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, a);
  const gateway = await gatewayOf(t, file);
  // Every prefix that ends before the extra models is a valid policy for server b without them.
  const extra = Array.from(
    { length: 40 },
    (_, i) => `  x${i}: { timeout: 1s, versions: { v1: { servers: [s0] } }, baseline: v1 }\n`,
  );
  let text = b;
  const seen = new Set<number>();
  for (const line of extra) {
    text += line;
    writeFileSync(file, text);
    seen.add(Object.keys(((await statusOf(gateway)) as unknown as { models: object }).models).length);
    await sleep(10);
  }
  await until(
    async () => Object.keys(((await statusOf(gateway)) as unknown as { models: object }).models).length === 41,
    'the whole file',
  );
  assert.deepEqual([...seen], [1], 'no half of it was ever in force');
});

test('of 100 changes in a second the last one wins', async (t) => {
  const { a, b } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, a);
  const gateway = await gatewayOf(t, file);
  for (let i = 0; i < 100; i++) {
    replaceFile(file, i % 2 === 0 ? a : `${b}# ${i}\n`);
    await sleep(10);
  }
  await until(async () => (await who(gateway)) === 'b', 'the last one decides');
});

test('a start with a bad file takes the last good copy, loudly; without a copy it fails', async (t) => {
  const { a, b } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, 'models: broken');
  await assert.rejects(gatewayOf(t, file), /apiVersion: required, but missing/);
  writeFileSync(file, a);
  await (await gatewayOf(t, file)).close();
  writeFileSync(file, 'models: broken');
  const gateway = await gatewayOf(t, file);
  assert.equal(await who(gateway), 'a');
  assert.equal(await lastReloadOk(gateway), '0');
  const { policy } = await statusOf(gateway);
  assert.equal(policy.from, 'last good copy');
  assert.match(policy.mistake ?? '', /required, but missing/);
  writeFileSync(file, b);
  await until(async () => (await who(gateway)) === 'b', 'the mended file decides');
  assert.equal((await statusOf(gateway)).policy.from, 'file');
});

test('a start with a bad file and a damaged copy says what is wrong with both', async (t) => {
  const { a } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, a);
  await (await gatewayOf(t, file)).close();
  const { lastGoodFile } = await import('../../gateway/policy/load/last-good.ts');
  const copy = lastGoodFile(join(file, '../data'), file);
  writeFileSync(file, 'models: broken');
  for (const damaged of ['', 'null', '[]', '\u0000\u0001', '{'.repeat(5000), a.slice(0, a.length / 2)]) {
    writeFileSync(copy, damaged);
    const failed = gatewayOf(t, file);
    await assert.rejects(
      failed,
      /required, but missing[\s\S]*the copy of the last good policy cannot be used either: /,
    );
  }
});

test('a change that would move callers between arms is refused, with allow_reshuffle it is not', async (t) => {
  const { url } = await fakeServer(t, answering({}));
  const file = join(folder(t), 'policy.yaml');
  const policy = (experiment: string) =>
    `${policyOf([url]).replace('{ v1: { servers: [s0] } }', '{ v1: { servers: [s0] }, v2: { servers: [s0] } }')}    experiment: { id: e1, unit: header x-user, ${experiment} }\n`;
  writeFileSync(file, policy('arms: { v1: 10%, v2: 10% }'));
  const gateway = await gatewayOf(t, file);
  const before = (await statusOf(gateway)).policy.sha256;
  for (const [experiment, message] of [
    [
      'arms: { v1: 20%, v2: 10% }',
      /:\d+:\d+ models\.m\.experiment: the blocks of the arms of experiment "e1" would change/,
    ],
    ['salt: other, arms: { v1: 10%, v2: 10% }', /the unit or salt of experiment "e1" would change/],
  ] as const) {
    writeFileSync(file, policy(experiment));
    await until(async () => message.test((await statusOf(gateway)).policy.mistake ?? ''), `${message}`);
    assert.equal((await statusOf(gateway)).policy.sha256, before);
  }
  writeFileSync(file, policy('salt: other, allow_reshuffle: true, arms: { v1: 10%, v2: 10% }'));
  await until(async () => (await statusOf(gateway)).policy.sha256 !== before, 'the change is in force');
});

test('a server that a reload removes answers what it has in flight', async (t) => {
  const slow = await fakeServer(t, (request, response) => {
    request.resume();
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{"server":"slow"}'), 500);
  });
  const { a } = await twoFakes(t);
  const file = join(folder(t), 'policy.yaml');
  writeFileSync(file, policyOf([slow.url]));
  const gateway = await gatewayOf(t, file);
  const inFlight = who(gateway);
  await until(() => slow.seen.length === 1, 'the request is at the server');
  writeFileSync(file, a);
  await until(async () => (await who(gateway)) === 'a', 'the new policy decides');
  assert.equal(await inFlight, 'slow');
});

test('30 reloads under load lose no request and repeat none', async (t) => {
  const servers = await Promise.all([1, 2, 3].map(() => fakeServer(t, answering({}))));
  const urls = servers.map(({ url }) => url);
  const file = join(folder(t), 'policy.yaml');
  const policies = [urls, urls.slice(0, 2), urls.slice(1), urls.slice(2)].map((some, i) =>
    policyOf(some, i % 2 === 0 ? 'timeout: 5s' : 'timeout: 4s'),
  );
  writeFileSync(file, policies[0] ?? '');
  const gateway = await gatewayOf(t, file);
  const outcomes = new Map<string, number>();
  let done = false;
  const caller = async (name: string) => {
    for (let i = 0; !done; i++) {
      const id = `${name}-${i}`;
      const response = await infer(gateway.url, { headers: { 'x-request-id': id } });
      await response.arrayBuffer();
      outcomes.set(id, response.status);
      await sleep(2);
    }
  };
  const callers = Array.from({ length: 8 }, (_, i) => caller(`c${i}`));
  for (let reload = 1; reload <= 30; reload++) {
    const before = (await statusOf(gateway)).policy.sha256;
    replaceFile(file, `${policies[reload % policies.length]}# reload ${reload}\n`);
    await until(async () => (await statusOf(gateway)).policy.sha256 !== before, `reload ${reload}`);
  }
  done = true;
  await Promise.all(callers);
  const arrived = servers.flatMap(({ seen: requests }: FakeServer) =>
    requests.map(({ headers }) => String(headers['x-request-id'])),
  );
  assert.deepEqual(
    [...outcomes].filter(([, status]) => status !== 200),
    [],
  );
  assert.equal(arrived.length, outcomes.size, 'every request arrived once');
  assert.equal(new Set(arrived).size, arrived.length);
  t.diagnostic(`${outcomes.size} requests across 30 reloads, 0 lost, 0 repeated`);
});

test('the last good copy is the file, byte for byte', async (t) => {
  const { a } = await twoFakes(t);
  const root = folder(t);
  const file = join(root, 'policy.yaml');
  writeFileSync(file, `${a}# tail`);
  await (await gatewayOf(t, file)).close();
  const { lastGoodFile } = await import('../../gateway/policy/load/last-good.ts');
  assert.equal(readFileSync(lastGoodFile(join(root, 'data'), file), 'utf8'), `${a}# tail`);
});
