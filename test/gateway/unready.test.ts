// A version that no server becomes ready for is reported: in the status, by the command, in the metrics and in the log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusText } from '../../gateway/cli/ask/status.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { until } from '../support/until.ts';

type Status = Parameters<typeof statusText>[0];

test('a candidate, a shadow, an arm, a baseline and a tier that never become ready are each reported, and their recovery is', async (t) => {
  let isLoaded = false;
  const good = await fakeServer(t, answering({ outputs: [] }));
  const loading = await fakeServer(t, answering({}), (_request, response) =>
    isLoaded ? response.end('{}') : response.writeHead(503).end('{"error":"the file is damaged"}'),
  );
  const without = await fakeServer(t, answering({}), answering({ error: 'no such version' }, 404));
  const [nobody = 0] = await freePorts(1);
  const { adminUrl, log } = await gatewayProcess(
    t,
    `apiVersion: sluice/v1
fleet: { good: { url: "${good.url}" }, loading: { url: "${loading.url}" }, without: { url: "${without.url}" }, away: { url: "http://127.0.0.1:${nobody}" } }
models:
  a: { timeout: 1s, versions: { v1: { servers: [good] }, v2: { servers: [loading] } }, baseline: v1, rollout: { id: r, candidate: v2, unit: random, steps: [1%] } }
  b: { timeout: 1s, versions: { v1: { servers: [good] }, v2: { servers: [without] } }, baseline: v1, experiment: { id: e, unit: header x-u, arms: { v1: 50%, v2: 50% } } }
  c: { timeout: 1s, versions: { v1: { servers: [good] }, v2: { servers: [away] } }, baseline: v1, shadow: [{ version: v2, sample: 100% }] }
  small: { timeout: 1s, versions: { v1: { servers: [away] } }, baseline: v1 }
  large: { timeout: 1s, versions: { v1: { servers: [good] } }, baseline: v1 }
  l: { tiers: { ladder: { small: small, large: large }, rules: [{ use: small }] } }
`,
  );
  const status = async () => (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
  const said = (since: string): readonly RegExp[] =>
    [
      `candidate v2 of a has no ready server since ${since}: loading says that it is not ready \\(503: the file is damaged\\)`,
      `arm v2 of b has no ready server since ${since}: without says that it is not ready \\(404: no such version\\)`,
      `shadow v2 of c has no ready server since ${since}: away does not answer \\(connect ECONNREFUSED 127.0.0.1:\\d+\\)`,
      `baseline v1 of small has no ready server since ${since}: away does not answer \\(connect ECONNREFUSED 127.0.0.1:\\d+\\)`,
    ].map((text) => new RegExp(text));
  const sentences = said('\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z');
  await until(async () => {
    const text = statusText(await status());
    return sentences.every((sentence) => sentence.test(text));
  }, 'every sentence in the status').catch(async (error: unknown) =>
    assert.fail(`${error}\n${statusText(await status())}`),
  );
  const ready = async () =>
    Object.fromEntries(
      [...(await (await fetch(`${adminUrl}/metrics`)).text()).matchAll(/^sluice_version_ready\{(.*)\} (\d)$/gm)].map(
        ([, labels = '', value]) => [labels.replaceAll('"', ''), Number(value)],
      ),
    );
  const expected = {
    'model=a,version=v1,role=baseline': 1,
    'model=a,version=v2,role=candidate': 0,
    'model=b,version=v1,role=baseline': 1,
    'model=b,version=v2,role=arm': 0,
    'model=c,version=v1,role=baseline': 1,
    'model=c,version=v2,role=shadow': 0,
    'model=small,version=v1,role=baseline': 0,
    'model=large,version=v1,role=baseline': 1,
  };
  assert.deepEqual(await ready(), expected);
  await until(() => sentences.every((sentence) => sentence.test(log())), 'every sentence in the log', 20_000);
  const logged = () => log().match(/candidate v2 of a has no ready server/g)?.length;
  assert.equal(logged(), 1);
  isLoaded = true;
  await until(async () => (await ready())['model=a,version=v2,role=candidate'] === 1, 'the candidate to be ready');
  assert.equal((await status()).models.a && statusText(await status()).includes('candidate v2'), false);
});
