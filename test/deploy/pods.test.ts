// The whole of deploy/kubernetes as plain processes: each pod with exactly the command, environment, user, folders and probes
// that kubectl renders, in network, mount and process namespaces of its own. What a cluster would do to a typo is seen here.
// Not imitated: seccomp, memory limits, network policies, the files of the images' base (this machine's programs are used, and
// its Node), and GPUs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAllWell, callsTo, changed, imagesOf, inNamespaces, live, things } from '../support/pods/live.ts';
import { planOf } from '../support/pods/plan.ts';

/** What a container says of itself: who it is, what it may do, where it may write, and what it was given. */
const SAYS = {
  who: 'id -u; id -g; id -G; grep CapEff /proc/1/status; grep NoNewPrivs /proc/1/status; hostname',
  writes:
    'for f in / /app /app/dist /etc /etc/sluice /etc/sluice-secret /tmp /usr/bin /data; do (: >$f/x) 2>/dev/null && echo $f; done; true',
  command: 'tr "\\0" " " </proc/1/cmdline',
} as const;

test(
  'one of each: every pod starts as it is rendered, in its user and on its read-only folders, serves and ends',
  inNamespaces,
  async (t) => {
    const commands = Object.values(SAYS).map((command) => ({ pod: 'sluice-gateway', command: ['sh', '-c', command] }));
    const plan = planOf(things('overlays/single-node'), imagesOf(t));
    const life = await live(t, { plan, calls: callsTo(['digits'], 1), commands });
    assertAllWell(life, 1);
    const [who, writes, command] = life.commands.map(({ output }) => output.trim());
    assert.match(who ?? '', /^1000\n1000\n1000\nCapEff:\t0+\nNoNewPrivs:\t1\nsluice-gateway-\S+$/);
    assert.equal(writes, '/data');
    assert.equal(command, 'node --enable-source-maps dist/gateway/main.js gateway');
  },
);

test(
  'a typo in a path is seen: the pod does not become ready, and its last line names the path',
  inNamespaces,
  async (t) => {
    const plan = planOf(changed(things('overlays/single-node'), '/admin-token', '/admin-tokn'), imagesOf(t));
    const pods = plan.pods.filter(({ name }) => name.startsWith('sluice-gateway'));
    const {
      pods: [pod],
    } = await live(t, { plan: { ...plan, pods }, calls: [], commands: [] });
    assert.deepEqual([pod?.becameReady, pod?.crashes, pod?.end.code], [false, 1, 2]);
    assert.match(pod?.output ?? '', /SLUICE_ADMIN_TOKEN_FILE: .*admin-tokn/);
  },
);
