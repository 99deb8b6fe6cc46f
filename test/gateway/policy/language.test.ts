// Every mistake that a policy can hold, and the line that tells it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyError, parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { Policy } from '../../../gateway/policy/policy.ts';
import { RICH } from './rich-policy.ts';

/** What is wrong, what replaces what in the rich policy, and every line of the answer. */
type Row = readonly [string, string, string, ...string[]];

const FLEET: readonly Row[] = [
  [
    'TLS settings for a plain server',
    'max_in_flight: 7',
    'tls: {}',
    'p:4:46 fleet.cpu-b.tls: tls needs a url with https://',
  ],
  ['a certificate without its key', ', key: own.key', '', 'p:10:10 fleet.gpu-a.tls: cert and key belong together'],
  [
    'TLS verification switched off',
    'server_name: gpu.test',
    'insecure: true',
    'p:10:53 fleet.gpu-a.tls.insecure: unknown key; known here: ca, cert, key, server_name',
  ],
  [
    'a secret in place of a file',
    'key: own.key',
    'key: own.key, password: hunter2',
    'p:10:53 fleet.gpu-a.tls.password: unknown key; known here: ca, cert, key, server_name',
  ],
  [
    'a token for a server',
    'class: gpu',
    'token: hunter2',
    'p:7:5 fleet.gpu-a.token: unknown key; known here: url, kind, class, weight, max_in_flight, tls',
  ],
  ['a weight of 0', 'weight: 4', 'weight: 0', 'p:8:13 fleet.gpu-a.weight: expected at least 1'],
  ['a negative weight', 'weight: 4', 'weight: -1', 'p:8:13 fleet.gpu-a.weight: expected at least 1'],
  [
    'a weight that is no whole number',
    'weight: 4',
    'weight: 1.5',
    'p:8:13 fleet.gpu-a.weight: expected a whole number',
  ],
  ['a weight beyond the most', 'weight: 4', 'weight: 1001', 'p:8:13 fleet.gpu-a.weight: expected at most 1000'],
  ['a weight in quotes', 'weight: 4', 'weight: "4"', 'p:8:13 fleet.gpu-a.weight: expected a number'],
  ['a mistyped key', 'weight: 4', 'wieght: 4', 'p:8:5 fleet.gpu-a.wieght: unknown key; did you mean "weight"?'],
  ['a key in another case', 'weight: 4', 'Weight: 4', 'p:8:5 fleet.gpu-a.Weight: unknown key; did you mean "weight"?'],
  [
    'a class that is none',
    'class: gpu',
    'class: gpus',
    'p:7:12 fleet.gpu-a.class: expected cpu or gpu; did you mean "gpu"?',
  ],
  [
    'a URL that is a list',
    '"http://127.0.0.1:9101"',
    '["http://127.0.0.1:9101"]',
    'p:3:17 fleet.cpu-a.url: expected a text',
  ],
  [
    'one address under two spellings',
    'http://10.1.2.3:9101',
    'HTTP://127.0.0.1:9101/',
    'p:4:17 fleet.cpu-b.url: server "cpu-a" has the same address; name a server once',
  ],
];

const NUMBERS: readonly Row[] = [
  [
    '.nan for a number',
    'weight: 4',
    'weight: .nan',
    'p:8:13 .nan is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '.inf for a number',
    'weight: 4',
    'weight: .inf',
    'p:8:13 .inf is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '-.inf for a number',
    'weight: 4',
    'weight: -.inf',
    'p:8:13 -.inf is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '1e400 for a number',
    'weight: 4',
    'weight: 1e400',
    'p:8:13 1e400 is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '0x10 for a number',
    'weight: 4',
    'weight: 0x10',
    'p:8:13 0x10 is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '010 for a number',
    'weight: 4',
    'weight: 010',
    'p:8:13 010 is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '0o10 for a number',
    'weight: 4',
    'weight: 0o10',
    'p:8:13 0o10 is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '+4 for a number',
    'weight: 4',
    'weight: +4',
    'p:8:13 +4 is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '4. for a number',
    'weight: 4',
    'weight: 4.',
    'p:8:13 4. is no plain decimal number; put quotes around it if it is meant as text',
  ],
  ['12:30 for a number', 'weight: 4', 'weight: 12:30', 'p:8:13 fleet.gpu-a.weight: expected a number'],
  ['1_000 for a number', 'weight: 4', 'weight: 1_000', 'p:8:13 fleet.gpu-a.weight: expected a number'],
  ['4s for a number', 'weight: 4', 'weight: 4s', 'p:8:13 fleet.gpu-a.weight: expected a number'],
  ['no for a number', 'weight: 4', 'weight: no', 'p:8:13 fleet.gpu-a.weight: expected a number'],
  ['null for a number', 'weight: 4', 'weight: null', 'p:8:13 fleet.gpu-a.weight: expected a number'],
  ['[4] for a number', 'weight: 4', 'weight: [4]', 'p:8:13 fleet.gpu-a.weight: expected a number'],
  [
    '.inf for a value to compare with',
    'priority: { at_least: 5 }',
    'priority: .inf',
    'p:66:83 .inf is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '1.10 for a value to compare with',
    'priority: { at_least: 5 }',
    'priority: 1.10',
    'p:66:83 models.spam.tiers.rules.0.when.parameter.priority: YAML reads 1.10 as 1.1; put quotes around it if it is meant as text, or write 1.1',
  ],
  [
    '1.0 for a value to compare with',
    'priority: { at_least: 5 }',
    'priority: 1.0',
    'p:66:83 models.spam.tiers.rules.0.when.parameter.priority: YAML reads 1.0 as 1; put quotes around it if it is meant as text, or write 1',
  ],
  [
    '1e3 for a value to compare with',
    'priority: { at_least: 5 }',
    'priority: 1e3',
    'p:66:83 models.spam.tiers.rules.0.when.parameter.priority: YAML reads 1e3 as 1000; put quotes around it if it is meant as text, or write 1000',
  ],
  [
    '-0 for a value to compare with',
    'priority: { at_least: 5 }',
    'priority: -0',
    'p:66:83 models.spam.tiers.rules.0.when.parameter.priority: YAML reads -0 as 0; put quotes around it if it is meant as text, or write 0',
  ],
  [
    '0.12345678901234567890 for a value to compare with',
    'priority: { at_least: 5 }',
    'priority: 0.12345678901234567890',
    'p:66:83 models.spam.tiers.rules.0.when.parameter.priority: YAML reads 0.12345678901234567890 as 0.12345678901234568; put quotes around it if it is meant as text, or write 0.12345678901234568',
  ],
  [
    'True for a value to compare with',
    'priority: { at_least: 5 }',
    'priority: True',
    'p:66:83 models.spam.tiers.rules.0.when.parameter.priority: YAML reads True as true; put quotes around it if it is meant as text, or write true',
  ],
  [
    '1.10 in a list of values to compare with',
    'priority: { at_least: 5 }',
    'priority: [a, 1.10]',
    'p:66:87 models.spam.tiers.rules.0.when.parameter.priority.1: YAML reads 1.10 as 1.1; put quotes around it if it is meant as text, or write 1.1',
  ],
  [
    '20 digits for a value to compare with',
    'priority: { at_least: 5 }',
    'priority: 12345678901234567890',
    'p:66:83 12345678901234567890 has more digits than a number keeps; put quotes around it if it is meant as text',
  ],
  [
    '20 digits for a bound',
    'priority: { at_least: 5 }',
    'priority: { at_least: 12345678901234567890 }',
    'p:66:95 12345678901234567890 has more digits than a number keeps; put quotes around it if it is meant as text',
  ],
  [
    '.nan in a condition',
    '{ below: 0.3 }',
    '{ below: .nan }',
    'p:72:34 .nan is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '.nan for a tolerance',
    'tolerance: 0.001',
    'tolerance: .nan',
    'p:53:74 .nan is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    '.inf for a duration',
    'timeout: 500ms',
    'timeout: .inf',
    'p:14:14 .inf is no plain decimal number; put quotes around it if it is meant as text',
  ],
  [
    'no for a duration',
    'timeout: 500ms',
    'timeout: no',
    'p:14:14 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d',
  ],
  [
    '12:30 for a duration',
    'timeout: 500ms',
    'timeout: 12:30',
    'p:14:14 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d',
  ],
  [
    'a date for a duration',
    'timeout: 500ms',
    'timeout: 2026-01-01',
    'p:14:14 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d',
  ],
  [
    'nothing for a duration',
    'timeout: 500ms',
    'timeout:',
    'p:14:13 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d',
  ],
  [
    'a duration of 0ms',
    'timeout: 500ms',
    'timeout: 0ms',
    'p:14:14 models.digits.timeout: expected a duration from 1ms to 24d',
  ],
  [
    'a duration of 1e9h',
    'timeout: 500ms',
    'timeout: 1e9h',
    'p:14:14 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d',
  ],
  [
    'a decimal comma',
    'timeout: 500ms',
    'timeout: 1,5s',
    'p:14:14 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d',
  ],
  [
    'yes for true',
    'allow_reshuffle: true',
    'allow_reshuffle: yes',
    'p:30:24 models.digits.experiment.allow_reshuffle: expected true or false',
  ],
  [
    'a size in another unit',
    '16MiB',
    '16MB',
    'p:54:26 models.digits.shadow.0.budget.bytes: expected a size with a unit, such as 512KiB or 16MiB',
  ],
];

const MODELS: readonly Row[] = [
  [
    'a model that is nothing',
    '  llm: {',
    '  empty:\n  llm: {',
    'p:59:9 models.empty: expected { timeout, versions, baseline } or { tiers }',
  ],
  [
    'a model that is a word',
    '  llm: {',
    '  word: yes\n  llm: {',
    'p:59:9 models.word: expected { timeout, versions, baseline } or { tiers }',
  ],
  [
    'a model without anything',
    '  llm: {',
    '  empty: {}\n  llm: {',
    'p:59:10 models.empty: expected { timeout, versions, baseline } or { tiers }',
  ],
  [
    'a model of both kinds',
    '  spam:\n',
    '  spam:\n    timeout: 1s\n',
    'p:61:5 models.spam.timeout: does not go with the keys beside it',
  ],
  [
    'mistyped tiers',
    '    tiers:\n',
    '    teirs:\n',
    'p:60:3 models.spam.tiers: required, but missing',
    'p:61:5 models.spam.teirs: unknown key; did you mean "tiers"?',
  ],
  [
    'a name in capitals',
    '  spam-fast: {',
    '  Spam-Fast: {',
    'p:57:3 models.Spam-Fast: expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit, such as spam-fast',
  ],
  [
    'a name with a slash',
    '  llm:',
    '  a/b:',
    'p:59:3 models.a/b: expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit',
  ],
  [
    'a name with dots in front',
    '  llm:',
    '  ../x:',
    'p:59:3 models.../x: expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit',
  ],
  [
    'an empty name',
    '  llm:',
    '  "":',
    'p:59:3 models.: expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit',
  ],
  [
    'a name that is ~',
    '  llm:',
    '  ~:',
    'p:59:3 models.~: expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit',
  ],
  [
    'a name of 65 characters',
    '  llm:',
    '  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:',
    'p:59:3 models.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit',
  ],
  ['the name __proto__ for a model', '  llm: {', '  __proto__: {', 'p:59:3 the name __proto__ is not accepted'],
  ['the name __proto__ for a header', 'x-customer-tier:', '__proto__:', 'p:66:29 the name __proto__ is not accepted'],
  [
    'the name constructor for a server that is not there',
    'v3: { servers: [cpu-b] }',
    'v3: { servers: [constructor] }',
    'p:18:23 models.digits.versions.v3.servers.0: no server "constructor" in the fleet',
  ],
  [
    'the name constructor for a version that is not there',
    '    baseline: v1\n',
    '    baseline: constructor\n',
    'p:19:15 models.digits.baseline: no version "constructor"',
  ],
  [
    'a protocol that is none',
    'protocol: v1',
    'protocol: grpc',
    'p:13:15 models.digits.protocol: expected oip, v1 or http',
  ],
  [
    'protocol http without a prefix',
    'prefix: /llm, ',
    '',
    'p:59:20 models.llm.protocol: protocol http needs a prefix, such as /llm',
  ],
  [
    'a prefix without protocol http',
    'protocol: v1',
    'prefix: /digits',
    'p:13:13 models.digits.prefix: prefix belongs to protocol http alone',
  ],
  [
    'a prefix that is everything',
    'prefix: /llm',
    'prefix: /',
    'p:59:34 models.llm.prefix: expected a path such as /llm',
  ],
  [
    'a prefix that leads elsewhere',
    'prefix: /llm',
    'prefix: /llm/../admin',
    'p:59:34 models.llm.prefix: expected a path without "." and ".."',
  ],
  [
    'a prefix that is taken',
    'prefix: /llm',
    'prefix: /v2/llm',
    'p:59:34 models.llm.prefix: /v1 and /v2 belong to the inference protocols',
  ],
  [
    'two prefixes of which one lies below the other',
    '  spam-accurate: { timeout',
    '  llm2: { protocol: http, prefix: /llm/chat, timeout: 1s, versions: { v1: { servers: [cpu-a] } }, baseline: v1 }\n  spam-accurate: { timeout',
    'p:60:34 models.llm.prefix: lies below the same path as that of model "llm2"',
  ],
  [
    'a tier that speaks no inference protocol',
    '  spam-accurate: { timeout',
    '  spam-accurate: { protocol: http, prefix: /accurate, timeout',
    'p:64:19 models.spam.tiers.ladder.accurate: "spam-accurate" has protocol http; a tier speaks an inference protocol',
  ],
  [
    'a version without servers',
    'v3: { servers: [cpu-b] }',
    'v3: { servers: [] }',
    'p:18:22 models.digits.versions.v3.servers: expected at least 1 item',
  ],
  [
    'servers that are no list',
    'v3: { servers: [cpu-b] }',
    'v3: { servers: cpu-b }',
    'p:18:22 models.digits.versions.v3.servers: expected a list; put brackets around it: [cpu-b]',
  ],
  [
    'a version that does not say where it runs',
    'v3: { servers: [cpu-b] }',
    'v3: {}',
    'p:18:7 models.digits.versions.v3.servers: required, but missing',
  ],
  [
    'a server that does not exist',
    'v3: { servers: [cpu-b] }',
    'v3: { servers: [cpub] }',
    'p:18:23 models.digits.versions.v3.servers.0: no server "cpub" in the fleet; did you mean "cpu-b"?',
  ],
  [
    'no versions',
    'llm, timeout: 30s, versions: { v1: { servers: [gpu-a] } }',
    'llm, timeout: 30s, versions: {}',
    'p:59:64 models.llm.versions: expected at least one version',
    'p:59:78 models.llm.baseline: no version "v1"',
  ],
  [
    'a preference for a class that is not there',
    'servers: [gpu-a, cpu-a], prefer',
    'servers: [cpu-a], prefer',
    'p:17:39 models.digits.versions.v2.prefer: none of its servers is of class gpu',
  ],
  [
    'a version that waits longer than its model',
    'timeout: 250ms, max_in_flight: 32',
    'timeout: 2s, max_in_flight: 32',
    'p:17:60 models.digits.versions.v2.timeout: longer than the timeout of the model, which is the whole deadline',
  ],
  [
    "a server's version that leads elsewhere",
    'version: "1"',
    'version: ".."',
    'p:16:61 models.digits.versions.v1.version: expected a version that can stand in a path: not "." or ".."',
  ],
  [
    "a server's version with a slash",
    'version: "1"',
    'version: "../2"',
    'p:16:61 models.digits.versions.v1.version: expected at most 64 letters, digits, ".", "_" and "-"',
  ],
  [
    "a server's model that leads elsewhere",
    'model: mnist',
    'model: ".."',
    'p:16:45 models.digits.versions.v1.model: expected a name that can stand in a path: not "." or "..", no control characters',
  ],
  [
    "a server's model with a control character",
    'model: mnist',
    'model: "mn\\0ist"',
    'p:16:45 models.digits.versions.v1.model: expected a name that can stand in a path: not "." or "..", no control characters',
  ],
  [
    'a baseline that does not exist',
    '    baseline: v1\n',
    '    baseline: v9\n',
    'p:19:15 models.digits.baseline: no version "v9"; did you mean "v1"?',
  ],
];

const PINS: readonly Row[] = [
  [
    'pins that are no choice',
    '{ header: { x-debug: ["on", 1, true] } }',
    'some',
    'p:20:11 models.digits.pins: expected "none", "any" or { header: { name: value } }',
  ],
  [
    'pins that say nothing',
    '{ header: { x-debug: ["on", 1, true] } }',
    '{}',
    'p:20:11 models.digits.pins: expected "none", "any" or { header: { name: value } }',
  ],
  [
    'pins for no headers, which would be anyone',
    '{ header: { x-debug: ["on", 1, true] } }',
    '{ header: {} }',
    'p:20:21 models.digits.pins.header: expected at least one header',
  ],
  [
    'a mistyped key in pins',
    'pins: { header:',
    'pins: { heder:',
    'p:20:5 models.digits.pins.header: required, but missing',
    'p:20:13 models.digits.pins.heder: unknown key; did you mean "header"?',
  ],
  [
    'a header name with a space',
    'x-debug:',
    '"x debug":',
    'p:20:23 models.digits.pins.header.x debug: expected a header name of at most 64 letters, digits and "-"',
  ],
  [
    'a header without a value',
    '["on", 1, true]',
    'null',
    'p:20:32 models.digits.pins.header.x-debug: expected a value, a list of values, { below: n }, { at_least: n } or { present: true }',
  ],
  [
    'a header with no values',
    '["on", 1, true]',
    '[]',
    'p:20:32 models.digits.pins.header.x-debug: expected at least 1 item',
  ],
  [
    'one header in two cases',
    '{ x-debug: ["on", 1, true] }',
    '{ x-debug: a, X-Debug: b }',
    'p:20:21 models.digits.pins.header: two of these headers differ only in case, and so are the same',
  ],
];

const EXPERIMENTS: readonly Row[] = [
  [
    'an arm that is no version',
    '        v1: 20%',
    '        w1: 20%',
    'p:28:9 models.digits.experiment.arms.w1: no version "w1"; did you mean "v1"?',
  ],
  [
    'arms that add up to more than everyone',
    '        v1: 20%',
    '        v1: 71%',
    'p:28:9 models.digits.experiment.arms: the arms add up to 101%, more than 100%',
  ],
  [
    'reserves that add up to more than everyone',
    'up_to: 30%',
    'up_to: 81%',
    'p:28:9 models.digits.experiment.arms: the arms add up to 101%, more than 100%',
  ],
  [
    'a reserve below the share',
    'up_to: 30%',
    'up_to: 5%',
    'p:29:34 models.digits.experiment.arms.v2.up_to: up_to is less than share',
  ],
  [
    'a mistyped reserve',
    '{ share: 10%, up_to: 30% }',
    '{ share: 10%, upto: 30% }',
    'p:29:9 models.digits.experiment.arms.v2.up_to: required, but missing',
    'p:29:27 models.digits.experiment.arms.v2.upto: unknown key; did you mean "up_to"?',
  ],
  [
    'a share without its sign',
    '        v1: 20%',
    '        v1: 20',
    'p:28:13 models.digits.experiment.arms.v1: expected a percentage such as 10%, or { share: 10%, up_to: 30% }',
  ],
  [
    'a negative share',
    '        v1: 20%',
    '        v1: -20%',
    'p:28:13 models.digits.experiment.arms.v1: expected a percentage such as 10%, or { share: 10%, up_to: 30% }',
  ],
  [
    'a share that is missing',
    '        v1: 20%',
    '        v1:',
    'p:28:12 models.digits.experiment.arms.v1: expected a percentage such as 10%, or { share: 10%, up_to: 30% }',
  ],
  [
    'every arm at 0 %',
    '        v1: 20%\n        v2: { share: 10%, up_to: 30% }',
    '        v1: 0%\n        v2: { share: 0%, up_to: 30% }',
    'p:28:9 models.digits.experiment.arms: every arm is at 0%',
  ],
  [
    'no arms',
    '      arms:\n        v1: 20%\n        v2: { share: 10%, up_to: 30% }',
    '      arms: {}',
    'p:27:13 models.digits.experiment.arms: expected at least one arm',
  ],
  [
    'a unit without a name',
    'body parameters.user',
    'body',
    'p:23:13 models.digits.experiment.unit: expected "random", "header <name>" or "body <path>", such as "header x-user-id"',
  ],
  [
    'a unit with a broken path',
    'body parameters.user',
    'body parameters..user',
    'p:23:13 models.digits.experiment.unit: expected "random", "header <name>" or "body <path>", such as "header x-user-id"',
  ],
  [
    'a salt with a colon',
    'salt: spring.7',
    'salt: "a:b"',
    'p:25:13 models.digits.experiment.salt: expected at most 128 letters, digits, ".", "_" and "-"',
  ],
  [
    'a mistyped word for requests without a unit',
    'without_unit: reject',
    'without_unit: rejct',
    'p:24:21 models.digits.experiment.without_unit: expected "random", "reject" or { key: name }',
  ],
  [
    'an id that a rollout has',
    'id: exp-7',
    'id: digits-v2',
    'p:22:11 models.digits.experiment.id: the id "digits-v2" is taken by digits.rollout.0',
  ],
  [
    'a holdout of more than everyone',
    'holdout: 5%',
    'holdout: 101%',
    'p:26:16 models.digits.experiment.holdout: expected a percentage of at most 100%',
  ],
  [
    'a holdout of everyone',
    'holdout: 5%',
    'holdout: 100%',
    'p:26:16 models.digits.experiment.holdout: expected less than 100%, which leaves no one',
  ],
];

const ROLLOUTS: readonly Row[] = [
  [
    'a candidate that does not exist',
    'candidate: v2',
    'candidate: v22',
    'p:33:20 models.digits.rollout.0.candidate: no version "v22"; did you mean "v2"?',
  ],
  [
    'a candidate that is the baseline',
    'candidate: v2',
    'candidate: v1',
    'p:33:20 models.digits.rollout.0.candidate: "v1" is the baseline; a rollout needs another version',
  ],
  ['no candidate', '        candidate: v2\n', '', 'p:32:9 models.digits.rollout.0.candidate: required, but missing'],
  [
    'one candidate in two rollouts',
    'candidate: v3',
    'candidate: v2',
    'p:49:37 models.digits.rollout.1.candidate: "v2" is the candidate of rollout "digits-v2"',
  ],
  [
    'one id for two rollouts',
    'id: digits-v3',
    'id: digits-v2',
    'p:49:15 models.digits.rollout.1.id: the id "digits-v2" is taken by digits.rollout.0',
  ],
  [
    'a step that falls',
    '5% until approved, 25%',
    '5% until approved, 3%',
    'p:38:48 models.digits.rollout.0.steps.2: a step must not be smaller than the one before it; callers would move back',
  ],
  [
    'a step without an end before another',
    '5% until approved, 25%',
    '5%, 25%',
    'p:38:29 models.digits.rollout.0.steps.1: say when this step ends: "for 10m" or "until approved"',
  ],
  [
    'a mistyped step',
    '1% for 10m',
    '1% fro 10m',
    'p:38:17 models.digits.rollout.0.steps.0: expected a step such as 5%, 5% for 10m or 5% until approved',
  ],
  [
    'a bake time without a unit',
    '1% for 10m',
    '1% for 10',
    'p:38:17 models.digits.rollout.0.steps.0: expected a step such as 5%, 5% for 10m or 5% until approved',
  ],
  [
    'a bake time of nothing',
    '1% for 10m',
    '1% for 0m',
    'p:38:17 models.digits.rollout.0.steps.0: expected a time from 1ms to 24d',
  ],
  [
    'a bake time beyond the longest',
    '1% for 10m',
    '1% for 30d',
    'p:38:17 models.digits.rollout.0.steps.0: expected a time from 1ms to 24d',
  ],
  [
    'a step above 100 %',
    '5% until approved, 25%',
    '5% until approved, 125%',
    'p:38:48 models.digits.rollout.0.steps.2: expected a percentage of at most 100%',
  ],
  [
    'a step that is nothing',
    '[1% for 10m, 5% until approved, 25%]',
    '[null]',
    'p:38:17 models.digits.rollout.0.steps.0: expected a step such as 5%, 5% for 10m or 5% until approved',
  ],
  [
    'no steps',
    '[1% for 10m, 5% until approved, 25%]',
    '[]',
    'p:38:16 models.digits.rollout.0.steps: expected at least 1 item',
  ],
  [
    'steps that are no list',
    '[1% for 10m, 5% until approved, 25%]',
    '25%',
    'p:38:16 models.digits.rollout.0.steps: expected a list; put brackets around it: [25%]',
  ],
  [
    'blocks that overlap',
    'from: 50%',
    'from: 20%',
    'p:49:102 models.digits.rollout.1.from: its block of callers overlaps that of rollout "digits-v2"',
  ],
  [
    'a list in which one has no block',
    'from: 50%, ',
    '',
    'p:49:9 models.digits.rollout.1: in a list each rollout says where its block of callers starts, such as from: 50%',
  ],
  [
    'a block beyond 100 %',
    'from: 50%',
    'from: 96%',
    'p:49:102 models.digits.rollout.1.from: from and the largest step together exceed 100%',
  ],
  [
    'rollouts sorted by different units',
    'unit: header x-user-id, without_unit: { key: nobody }, from',
    'unit: header x-tenant, without_unit: { key: nobody }, from',
    'p:49:47 models.digits.rollout.1.unit: the rollouts of one model are sorted by the same unit and without_unit',
  ],
  [
    'rollouts that treat requests without a unit differently',
    'unit: header x-user-id, without_unit: { key: nobody }, from',
    'unit: header x-user-id, from',
    'p:49:47 models.digits.rollout.1.unit: the rollouts of one model are sorted by the same unit and without_unit',
  ],
  [
    'rollouts under different salts',
    '1.3x } }, salt: digits-spring',
    '1.3x } }, salt: digits-autumn',
    'p:49:260 models.digits.rollout.1.salt: the rollouts of one model are sorted under one salt: give each the same, or none of them one',
  ],
  [
    'rollouts of which one alone has a salt',
    '1.3x } }, salt: digits-spring',
    '1.3x } }',
    'p:49:9 models.digits.rollout.1: the rollouts of one model are sorted under one salt: give each the same, or none of them one',
  ],
  [
    'a salt with a colon',
    '1.3x } }, salt: digits-spring',
    '1.3x } }, salt: "digits:spring"',
    'p:49:260 models.digits.rollout.1.salt: expected at most 128 letters, digits, ".", "_" and "-"',
  ],
  [
    'an empty key for requests without a unit',
    'without_unit: { key: nobody }, from',
    'without_unit: { key: "" }, from',
    'p:49:86 models.digits.rollout.1.without_unit.key: expected at least 1 character',
  ],
  [
    'a holdback of everyone',
    'holdback: 1%',
    'holdback: 100%',
    'p:39:19 models.digits.rollout.0.holdback: expected less than 100%, which leaves no one',
  ],
  [
    'a mistyped guard',
    'error_rate: 2%',
    'error_rat: 2%',
    'p:43:11 models.digits.rollout.0.rollback.error_rat: unknown key; did you mean "error_rate"?',
  ],
  [
    'an error rate as a fraction',
    'error_rate: 2%',
    'error_rate: 0.02',
    'p:43:23 models.digits.rollout.0.rollback.error_rate: expected a percentage with its sign, such as 5%',
  ],
  [
    'a ratio without its sign',
    '1.5x',
    '1.5',
    'p:45:28 models.digits.rollout.0.rollback.versus_baseline: expected a ratio such as 1.5x, or { errors: 1.5x, latency: 1.2x }',
  ],
  [
    'a ratio that tolerates nothing',
    '1.5x',
    '1x',
    'p:45:28 models.digits.rollout.0.rollback.versus_baseline: expected a ratio above 1x',
  ],
  [
    'a ratio of latencies that tolerates nothing',
    'latency: 1.3x',
    'latency: 1x',
    'p:49:244 models.digits.rollout.1.rollback.versus_baseline.latency: expected a ratio above 1x',
  ],
  [
    'neither ratio beside the baseline',
    '1.5x',
    '{}',
    'p:45:28 models.digits.rollout.0.rollback.versus_baseline: expected errors, latency or both',
  ],
  [
    'a mistyped ratio beside the baseline',
    'latency: 1.3x',
    'latencies: 1.3x',
    'p:49:235 models.digits.rollout.1.rollback.versus_baseline.latencies: unknown key; did you mean "latency"?',
  ],
  [
    'a warm-up without an end',
    'warm_up: 50',
    'warm_up: 10001',
    'p:41:18 models.digits.rollout.0.warm_up: expected at most 10000',
  ],
  [
    'a part of an answer as a warm-up',
    'warm_up: 50',
    'warm_up: 1.5',
    'p:41:18 models.digits.rollout.0.warm_up: expected a whole number',
  ],
  [
    'one failure in a row',
    'consecutive_failures: 5',
    'consecutive_failures: 1',
    'p:46:33 models.digits.rollout.0.rollback.consecutive_failures: expected at least 2',
  ],
];

const SHADOWS: readonly Row[] = [
  [
    'a shadow that is the baseline',
    'version: v2\n        sample',
    'version: v1\n        sample',
    'p:51:18 models.digits.shadow.0.version: "v1" is the baseline; a shadow needs another version',
  ],
  [
    'a shadow that does not exist',
    'version: v2\n        sample',
    'version: v7\n        sample',
    'p:51:18 models.digits.shadow.0.version: no version "v7"; did you mean "v1"?',
  ],
  [
    'a model that is its own shadow',
    'model: spam-fast, sample',
    'model: digits, sample',
    'p:56:31 models.digits.shadow.1.model: a model cannot be its own shadow',
  ],
  [
    'a shadow model that does not exist',
    'model: spam-fast, sample',
    'model: spam-fats, sample',
    'p:56:31 models.digits.shadow.1.model: no model "spam-fats"; did you mean "spam-fast"?',
  ],
  [
    'a shadow that has tiers',
    'model: spam-fast, sample',
    'model: spam, sample',
    'p:56:31 models.digits.shadow.1.model: model "spam" has tiers itself; a shadow is a model with versions',
  ],
  [
    'a shadow that is a version and a model',
    'model: spam-fast, sample',
    'model: spam-fast, version: v3, sample',
    'p:56:9 models.digits.shadow.1: expected either version or model',
  ],
  [
    'a shadow that is neither',
    'model: spam-fast, sample',
    'sample',
    'p:56:9 models.digits.shadow.1: expected either version or model',
  ],
  [
    'two shadows of one name',
    'name: other',
    'name: v2',
    'p:56:9 models.digits.shadow.1: two shadows are called "v2"; give one a name',
  ],
  ['a shadow without a sample', 'sample: 1% }', '}', 'p:56:9 models.digits.shadow.1.sample: required, but missing'],
  [
    'a sample as a fraction',
    'sample: 20%',
    'sample: 0.2',
    'p:52:17 models.digits.shadow.0.sample: expected a percentage with its sign, such as 5%',
  ],
  [
    'a comparison that does not exist',
    'as: classification',
    'as: clasification',
    'p:53:24 models.digits.shadow.0.compare.as: expected classification, regression, ranking, embedding, text, json or exact; did you mean "classification"?',
  ],
  [
    'a negative tolerance',
    'tolerance: 0.001',
    'tolerance: -0.1',
    'p:53:74 models.digits.shadow.0.compare.tolerance: expected at least 0',
  ],
  [
    'credentials to mirror',
    '[x-tenant]',
    '[Authorization]',
    'p:55:19 models.digits.shadow.0.headers.0: credentials are never mirrored',
  ],
];

const TIERS: readonly Row[] = [
  [
    'a tier that leads nowhere',
    'fast: spam-fast',
    'fast: spam-fats',
    'p:63:15 models.spam.tiers.ladder.fast: no model "spam-fats"; did you mean "spam-fast"?',
  ],
  [
    'a ladder that leads to itself',
    'fast: spam-fast',
    'fast: spam',
    'p:63:15 models.spam.tiers.ladder.fast: model "spam" has tiers itself; a ladder is made of models with versions',
  ],
  [
    'a tier whose name is a number',
    '        fast: spam-fast',
    '        1: spam-fast',
    'p:63:9 models.spam.tiers.ladder.1: a tier needs a letter in its name',
    'p:73:16 models.spam.tiers.rules.1.use: no tier "fast"',
    'p:86:18 models.spam.tiers.escalate.below.fast: no tier "fast"',
  ],
  [
    'a ladder without tiers',
    '        fast: spam-fast\n        accurate: spam-accurate\n',
    '        {}\n',
    'p:63:9 models.spam.tiers.ladder: expected at least one tier',
    'p:66:16 models.spam.tiers.rules.0.use: no tier "accurate"',
    'p:72:16 models.spam.tiers.rules.1.use: no tier "fast"',
    'p:73:18 models.spam.tiers.rules.2.use: no tier "accurate"',
    'p:83:18 models.spam.tiers.no_signal: no tier "accurate"',
    'p:85:18 models.spam.tiers.escalate.below.fast: no tier "fast"',
  ],
  [
    'a ladder that is a list',
    '        fast: spam-fast\n        accurate: spam-accurate\n',
    '        [spam-fast, spam-accurate]\n',
    'p:63:9 models.spam.tiers.ladder: expected names with values, and no list',
  ],
  [
    'two tiers that are one model',
    'accurate: spam-accurate',
    'accurate: spam-fast',
    'p:64:19 models.spam.tiers.ladder.accurate: "spam-fast" is tier "fast" already',
  ],
  [
    'a rule that leads nowhere',
    'use: accurate\n        - when:\n',
    'use: acurate\n        - when:\n',
    'p:67:16 models.spam.tiers.rules.0.use: no tier "acurate"; did you mean "accurate"?',
  ],
  [
    'rules that may all fail',
    '        - { use: accurate }\n',
    '',
    'p:68:11 models.spam.tiers.rules.1: the last rule must have no `when`, so that some rule always holds',
  ],
  [
    'rules that are never reached',
    '        - when: { header',
    '        - { use: fast }\n        - when: { header',
    'p:67:11 models.spam.tiers.rules.1: never reached: rule 1 has no `when` and always holds',
    'p:69:11 models.spam.tiers.rules.2: never reached: rule 1 has no `when` and always holds',
    'p:75:11 models.spam.tiers.rules.3: never reached: rule 1 has no `when` and always holds',
  ],
  [
    'a rule without a tier',
    '          use: fast\n',
    '',
    'p:68:11 models.spam.tiers.rules.1.use: required, but missing',
  ],
  [
    'a rule with a mistyped key',
    '          use: fast\n',
    '          uses: fast\n',
    'p:68:11 models.spam.tiers.rules.1.use: required, but missing',
    'p:73:11 models.spam.tiers.rules.1.uses: unknown key; did you mean "use"?',
  ],
  [
    'conditions that are empty',
    'when: { header: { x-customer-tier: enterprise }, parameter: { priority: { at_least: 5 } } }',
    'when: {}',
    'p:66:17 models.spam.tiers.rules.0.when: expected at least one condition; leave `when` out for always',
  ],
  [
    'a condition on no header',
    'header: { x-customer-tier: enterprise }',
    'header: {}',
    'p:66:27 models.spam.tiers.rules.0.when.header: expected at least one header',
  ],
  [
    'a condition on no parameter',
    'parameter: { priority: { at_least: 5 } }',
    'parameter: {}',
    'p:66:71 models.spam.tiers.rules.0.when.parameter: expected at least one parameter',
  ],
  [
    'a condition that is missing',
    'when: { header: { x-customer-tier: enterprise }, parameter: { priority: { at_least: 5 } } }',
    'when:',
    'p:66:16 models.spam.tiers.rules.0.when: expected keys with values',
  ],
  [
    'a mistyped condition',
    'header: { x-customer',
    'hedaer: { x-customer',
    'p:66:19 models.spam.tiers.rules.0.when.hedaer: unknown key; did you mean "header"?',
  ],
  [
    'a regular expression',
    'x-customer-tier: enterprise',
    'x-customer-tier: { matches: "(a+)+$" }',
    'p:66:48 models.spam.tiers.rules.0.when.header.x-customer-tier.matches: unknown key; known here: below, at_least, present',
  ],
  [
    'an empty range',
    'complexity: { below: 0.3 }',
    'complexity: {}',
    'p:72:25 models.spam.tiers.rules.1.when.complexity: expected below, at_least or both',
  ],
  [
    'a mistyped range',
    'complexity: { below: 0.3 }',
    'complexity: { bellow: 0.3 }',
    'p:72:27 models.spam.tiers.rules.1.when.complexity.bellow: unknown key; did you mean "below"?',
  ],
  [
    'a range in quotes',
    'complexity: { below: 0.3 }',
    'complexity: { below: "0.3" }',
    'p:72:34 models.spam.tiers.rules.1.when.complexity.below: expected a number',
  ],
  [
    'a number where a range is meant',
    'complexity: { below: 0.3 }',
    'complexity: 0.3',
    'p:72:25 models.spam.tiers.rules.1.when.complexity: expected keys with values',
  ],
  [
    'a range that holds nothing',
    '{ at_least: 1, below: 50 }',
    '{ at_least: 50, below: 50 }',
    'p:71:26 models.spam.tiers.rules.1.when.text_length: no number is both at_least and below these',
  ],
  [
    'a complexity that is always below',
    'complexity: { below: 0.3 }',
    'complexity: { below: 30 }',
    'p:72:25 models.spam.tiers.rules.1.when.complexity: a score lies between 0 and 1, so this would hold always or never',
  ],
  [
    'a complexity that is never below',
    'complexity: { below: 0.3 }',
    'complexity: { below: 0 }',
    'p:72:25 models.spam.tiers.rules.1.when.complexity: a score lies between 0 and 1, so this would hold always or never',
  ],
  [
    'a mistyped range of a parameter',
    'priority: { at_least: 5 }',
    'priority: { atleast: 5 }',
    'p:66:85 models.spam.tiers.rules.0.when.parameter.priority.atleast: unknown key; did you mean "at_least"?',
  ],
  [
    'a condition on a parameter that is null',
    'priority: { at_least: 5 }',
    'priority: null',
    'p:66:83 models.spam.tiers.rules.0.when.parameter.priority: expected a value, a list of values, { below: n }, { at_least: n } or { present: true }',
  ],
  [
    'a range and a presence at once',
    'priority: { at_least: 5 }',
    'priority: { at_least: 5, present: true }',
    'p:66:83 models.spam.tiers.rules.0.when.parameter.priority: expected below, at_least or both; or present alone',
  ],
  [
    'a presence that is a word',
    '{ present: false }',
    '{ present: no }',
    'p:69:70 models.spam.tiers.rules.1.when.body.user.email.present: expected true or false',
  ],
  [
    'a list within a list',
    '[free, trial]',
    '[free, [trial]]',
    'p:69:39 models.spam.tiers.rules.1.when.body.user.plan.1: expected a text, a number, true or false',
  ],
  [
    'a broken path into the body',
    'user.plan:',
    'user..plan:',
    'p:69:21 models.spam.tiers.rules.1.when.body.user..plan: expected a path into the body, such as parameters.priority',
  ],
  [
    'a complexity without a tier for no signal',
    '      no_signal: accurate\n',
    '',
    'p:72:25 models.spam.tiers.rules.1.when.complexity: say with `no_signal` which tier a request gets whose complexity cannot be told',
  ],
  [
    'a tier for no signal that does not exist',
    'no_signal: accurate',
    'no_signal: acurate',
    'p:84:18 models.spam.tiers.no_signal: no tier "acurate"; did you mean "accurate"?',
  ],
  [
    'a feature whose ends are the wrong way round',
    'low: 10, high: 500',
    'low: 500, high: 10',
    'p:77:22 models.spam.tiers.complexity.text_length: low must be less than high',
  ],
  [
    'a feature whose ends meet',
    'words: { high: 100 }',
    'words: { high: 0 }',
    'p:78:16 models.spam.tiers.complexity.words: low must be less than high',
  ],
  [
    'a feature without its upper end',
    'words: { high: 100 }',
    'words: {}',
    'p:78:9 models.spam.tiers.complexity.words.high: required, but missing',
  ],
  [
    'a mistyped feature',
    'words: { high: 100 }',
    'wrods: { high: 100 }',
    'p:78:9 models.spam.tiers.complexity.wrods: unknown key; did you mean "words"?',
  ],
  [
    'a feature of weight 0',
    'weight: 2,',
    'weight: 0,',
    'p:77:32 models.spam.tiers.complexity.text_length.weight: expected more than 0',
  ],
  [
    'escalation from the last tier',
    'below: { fast: 0.85 }',
    'below: { accurate: 0.85 }',
    'p:86:18 models.spam.tiers.escalate.below.accurate: the last tier has none to pass a request on to',
  ],
  [
    'escalation from a tier that does not exist',
    'below: { fast: 0.85 }',
    'below: { fats: 0.85 }',
    'p:86:18 models.spam.tiers.escalate.below.fats: no tier "fats"; did you mean "fast"?',
  ],
  [
    'escalation from no tier',
    'below: { fast: 0.85 }',
    'below: {}',
    'p:86:16 models.spam.tiers.escalate.below: expected at least one tier',
  ],
  [
    'a confidence in percent',
    'below: { fast: 0.85 }',
    'below: { fast: 85 }',
    'p:86:24 models.spam.tiers.escalate.below.fast: expected at most 1',
  ],
  [
    'a budget as a fraction',
    'budget: 20%',
    'budget: 0.2',
    'p:87:17 models.spam.tiers.escalate.budget: expected a percentage with its sign, such as 5%',
  ],
  [
    'escalation without a confidence',
    '        confidence: { output: probabilities, as: max }\n',
    '',
    'p:85:7 models.spam.tiers.escalate.confidence: required, but missing',
  ],
  [
    'a mistyped confidence',
    '{ output: probabilities, as: max }',
    '{ outptu: probabilities }',
    'p:89:9 models.spam.tiers.escalate.confidence.output: required, but missing',
    'p:89:23 models.spam.tiers.escalate.confidence.outptu: unknown key; did you mean "output"?',
  ],
  [
    'a confidence that is a word',
    '{ output: probabilities, as: max }',
    'max',
    'p:89:21 models.spam.tiers.escalate.confidence: expected { output: name }, { field: path } or { parameter: name }',
  ],
  [
    'a confidence of a way that does not exist',
    '{ output: probabilities, as: max }',
    '{ output: probabilities, as: mean }',
    'p:89:50 models.spam.tiers.escalate.confidence.as: expected max, margin or entropy; did you mean "max"?',
  ],
  [
    'a confidence of two kinds',
    '{ output: probabilities, as: max }',
    '{ output: probabilities, field: score }',
    'p:89:46 models.spam.tiers.escalate.confidence.field: does not go with the keys beside it',
  ],
];

const YAML: readonly Row[] = [
  ['a tab for indentation', '    timeout: 500ms', '	timeout: 500ms', 'p:14:1 Tabs are not allowed as indentation'],
  ['a list for a key', '  llm: {', '  ? [a, b]\n  : {', 'p:59:5 a key must be a plain word'],
  [
    'an alias to what surrounds it',
    'fleet:\n',
    'fleet: &f\n  x: *f\n',
    'p:3:6 aliases are not accepted; write the value out',
  ],
  [
    'a second document',
    'models:\n',
    '---\nmodels:\n',
    'p:11:1 a policy is one document; this file holds multiple documents',
  ],
  [
    'an end of the document in the middle',
    'models:\n',
    '...\nmodels:\n',
    'p:12:1 a policy is one document; this file holds multiple documents',
  ],
  ['a key that stands twice', 'class: gpu\n', 'class: gpu\n    class: cpu\n', 'p:8:5 Map keys must be unique'],
  ['a model that stands twice', '  spam-accurate: {', '  spam-fast: {', 'p:58:3 Map keys must be unique'],
  [
    'a key that stands twice within braces',
    'sample: 1% }',
    'sample: 1%, sample: 2% }',
    'p:56:54 Map keys must be unique',
  ],
  ['a tag', 'baseline: v1\n', 'baseline: !!str v1\n', 'p:19:21 tags are not accepted; write the plain value'],
  ['bytes', 'v1: 20%', 'v1: !!binary aGk=', 'p:28:22 tags are not accepted; write the plain value'],
  ['a set', 'arms:\n', 'arms: !!set\n', 'p:27:13 Set items must all have null values'],
  [
    'keys where a list is meant',
    '      - version: v2\n',
    '        version: v2\n',
    'p:56:1 the indentation does not fit the lines above',
  ],
  [
    'a bracket that is never closed',
    '[1% for 10m, 5% until approved, 25%]',
    '[1% for 10m',
    'p:39:9 Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  ['a quote that is never closed', '"http://10.1.2.3:9101"', '"http://10.1.2.3:9101', 'p:4:58 Missing closing "quote'],
];

const URLS: readonly (readonly [string, string])[] = [
  ['http://169.254.169.254', 'link-local, metadata and multicast addresses are never servers'],
  ['http://169.254.169.254.', 'link-local, metadata and multicast addresses are never servers'],
  ['http://[::ffff:169.254.169.254]', 'link-local, metadata and multicast addresses are never servers'],
  ['http://[::ffff:a9fe:a9fe]', 'link-local, metadata and multicast addresses are never servers'],
  ['http://[::a9fe:a9fe]', 'link-local, metadata and multicast addresses are never servers'],
  ['http://[64:ff9b::a9fe:a9fe]', 'link-local, metadata and multicast addresses are never servers'],
  ['http://[2002:a9fe:a9fe::]', 'link-local, metadata and multicast addresses are never servers'],
  ['http://[fe80::1]', 'link-local, metadata and multicast addresses are never servers'],
  ['http://[fd00:ec2::254]', 'link-local, metadata and multicast addresses are never servers'],
  ['http://[::]', 'link-local, metadata and multicast addresses are never servers'],
  ['http://0.0.0.0:9101', 'link-local, metadata and multicast addresses are never servers'],
  ['http://224.0.0.1', 'link-local, metadata and multicast addresses are never servers'],
  ['http://100.100.100.200', 'link-local, metadata and multicast addresses are never servers'],
  ['http://168.63.129.16', 'link-local, metadata and multicast addresses are never servers'],
  ['http://192.0.0.192', 'link-local, metadata and multicast addresses are never servers'],
  ['http://metadata.azure.internal', 'link-local, metadata and multicast addresses are never servers'],
  ['http://metadata.google.internal', 'link-local, metadata and multicast addresses are never servers'],
  ['http://METADATA.google.internal.', 'link-local, metadata and multicast addresses are never servers'],
  ['http://0xa9fea9fe', 'link-local, metadata and multicast addresses are never servers'],
  ['http://0x7f.1:9101', 'write it as http://127.0.0.1:9101'],
  ['http://2130706433:9101', 'write it as http://127.0.0.1:9101'],
  ['http://0177.0.0.1:9101', 'write it as http://127.0.0.1:9101'],
  ['http://１27.0.0.1', 'write it as http://127.0.0.1'],
  ['http://bücher.test', 'write it as http://xn--bcher-kva.test'],
  ['http://127.0.0.1:09101', 'write it as http://127.0.0.1:9101'],
  ['http://127.0.0.1:9101?', 'write it as http://127.0.0.1:9101'],
  ['http://127.0.0.1:9101#', 'write it as http://127.0.0.1:9101'],
  ['http://127.0.0.1:9101/v2', 'expected scheme, host and port alone, such as http://127.0.0.1:9101'],
  ['http://127.0.0.1:9101/?a=b', 'expected scheme, host and port alone, such as http://127.0.0.1:9101'],
  ['http://user@127.0.0.1', 'a URL must not carry a password'],
  ['http://user:secret@127.0.0.1', 'a URL must not carry a password'],
  ['http://@127.0.0.1:9101', 'write it as http://127.0.0.1:9101'],
  ['http://127.0.0.1:0', 'expected a port from 1 to 65535'],
  ['http://127.0.0.1:65536', 'expected a URL such as http://127.0.0.1:9101'],
  ['http:// 127.0.0.1', 'expected a URL such as http://127.0.0.1:9101'],
  ['http://', 'expected a URL such as http://127.0.0.1:9101'],
  ['http:/127.0.0.1:9101', 'write it as http://127.0.0.1:9101'],
  ['http:\\\\127.0.0.1:9101', 'write it as http://127.0.0.1:9101'],
  ['unix:/run/model.sock', 'expected http:// or https://'],
  ['file:///etc/passwd', 'expected http:// or https://'],
  ['ftp://127.0.0.1', 'expected http:// or https://'],
  ['127.0.0.1:9101', 'expected a URL such as http://127.0.0.1:9101'],
];

const BAD = [FLEET, NUMBERS, MODELS, PINS, EXPERIMENTS, ROLLOUTS, SHADOWS, TIERS, YAML].flat();

for (const [what, from, to, ...lines] of BAD) {
  test(`a policy with ${what} is refused with its position`, () => {
    assert.ok(RICH.includes(from));
    assert.deepEqual(mistakesIn(RICH.replace(from, () => to)), lines);
  });
}

test('the rich policy itself is good', () => {
  assert.deepEqual(mistakesIn(RICH), []);
});

for (const [url, message] of URLS) {
  test(`the URL ${url} is refused`, () => {
    const text = RICH.replace('"http://127.0.0.1:9101"', () => `'${url}'`);
    assert.deepEqual(mistakesIn(text), [`p:3:17 fleet.cpu-a.url: ${message}`]);
  });
}

test('loopback, private and public addresses and names are good URLs, with or without port and slash', () => {
  for (const url of [
    'http://127.0.0.1',
    'http://[::1]:9101/',
    'HTTPS://10.0.0.7:443',
    'http://8.8.8.8:80/',
    'https://A.test',
  ])
    assert.deepEqual(mistakesIn(RICH.replace('http://127.0.0.1:9101', url)), [], url);
});

test('words that older YAML takes for something else are plain names and texts', () => {
  for (const [from, to] of [
    ['  llm: {', '  no: {'],
    ['  llm: {', '  null: {'],
    ['  llm: {', '  12: {'],
    ['  llm: {', '  1e3: {'],
    ['  llm: {', '  constructor: {'],
    ['x-customer-tier: enterprise', 'x-customer-tier: no'],
    ['x-customer-tier: enterprise', 'x-customer-tier: 12:30'],
    ['x-customer-tier: enterprise', 'x-customer-tier: /(a+)+$/'],
    ['x-customer-tier: enterprise', 'X-Customer-Tier: enterprise'],
  ] as const)
    assert.deepEqual(mistakesIn(RICH.replace(from, to)), [], to);
});

test('a byte order mark and Windows line ends are accepted', () => {
  assert.deepEqual(mistakesIn(`\ufeff${RICH}`), []);
  assert.deepEqual(mistakesIn(RICH.replaceAll('\n', '\r\n')), []);
  assert.deepEqual(mistakesIn(RICH.replaceAll('\n', '\r\n').replace('    baseline: v1', '    baseline: v9')), [
    'p:19:15 models.digits.baseline: no version "v9"; did you mean "v1"?',
  ]);
});

/** What nests, in front of `a`, and where it gets too deep. */
const DEEP: readonly (readonly [string, string, string])[] = [
  ['open brackets', '['.repeat(500_000), 'p:1:51'],
  ['closed brackets', `${'['.repeat(250_000)}a${']'.repeat(250_000)}`, 'p:1:51'],
  ['braces', '{a: '.repeat(100_000), 'p:1:201'],
  ['keys in one pair of braces', `{${'a: '.repeat(100_000)}}`, 'p:1:153'],
  ['quoted keys in one pair of braces', `{${'"a":'.repeat(100_000)}1}`, 'p:1:205'],
  ['keys in one pair of brackets', `[${'a: '.repeat(100_000)}a]`, 'p:1:153'],
  ['list marks in braces', `{a:\n${'- '.repeat(100_000)}}`, 'p:2:101'],
  ['key marks in braces', `{${'? '.repeat(100_000)}a}`, 'p:1:102'],
  ['brackets on lines of their own', '[\n'.repeat(100_000), 'p:51:1'],
  ['list marks', '- '.repeat(250_000), 'p:1:101'],
  ['key marks', '? '.repeat(250_000), 'p:1:101'],
  ['keys on one line', 'a: '.repeat(150_000), 'p:1:152'],
  ['keys on lines of their own', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), 'p:51:52'],
  ['lists on lines of their own', Array.from({ length: 600 }, (_, i) => `${' '.repeat(i)}-`).join('\n'), 'p:51:51'],
];

for (const [what, text, position] of DEEP) {
  test(`a policy that nests thousands of ${what} is refused before the parser runs out of stack`, () => {
    const start = performance.now();
    assert.deepEqual(mistakesIn(text), [`${position} nested too deeply`]);
    assert.ok(performance.now() - start < 1000);
  });
}

test('many entries in one pair of brackets are no nesting', () => {
  const versions = Array.from({ length: 200 }, (_, i) => `v${i}: { servers: [cpu-a], "version": "${i}" }`);
  const text = `apiVersion: sluice/v1
fleet: { cpu-a: { url: "http://127.0.0.1:9101" } }
models: { m: { timeout: 1s, versions: { ${versions.join(', ')} }, baseline: v0 } }
`;
  assert.deepEqual(mistakesIn(text), []);
});

test('a hundred aliases are refused at the first, before anything is written out', () => {
  const bomb = ['a0: &a0 [lol]'];
  for (let i = 1; i <= 10; i++)
    bomb.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  assert.deepEqual(mistakesIn(bomb.join('\n')), ['p:2:10 aliases are not accepted; write the value out']);
});

test('a file of nothing but mistakes is refused in seconds, with the first fifty and the number of the others', () => {
  const keys = Array.from({ length: 60_000 }, (_, i) => `key-${i}: 1`).join('\n');
  const start = performance.now();
  const lines = mistakesIn(keys);
  assert.ok(performance.now() - start < 20_000);
  assert.equal(lines.length, 51);
  assert.equal(lines.at(-1), 'p: and 59953 more');
});

test('a policy that is cut at a line end is refused, or is a smaller policy that is whole: so the watcher waits', () => {
  const ends = [...RICH.matchAll(/\n/g)].map(({ index }) => index + 1).filter((end) => end < RICH.length);
  const whole = ends.filter((end) => mistakesIn(RICH.slice(0, end)).length === 0);
  assert.equal(ends.length, RICH.split('\n').length - 2);
  assert.equal(whole.length, 24);
});

function mistakesIn(text: string, current?: Policy): string[] {
  try {
    parsePolicy(text, 'p', current);
    return [];
  } catch (error) {
    assert.ok(error instanceof PolicyError, String(error));
    return error.message.split('\n');
  }
}

/** What changes in a running policy, and every line of the answer; none when it may change. */
const CHANGES: readonly Row[] = [
  [
    'the candidate of a rollout',
    'candidate: v3',
    'candidate: v4',
    'p:49:9 models.digits.rollout.1: rollout "digits-v3" is running with another candidate; a change of candidate needs a new id',
  ],
  ['the candidate and the id of a rollout', 'id: digits-v3, candidate: v3', 'id: digits-v4, candidate: v4'],
  [
    'where the block of a rollout starts',
    'from: 50%',
    'from: 60%',
    'p:49:9 models.digits.rollout.1: rollout "digits-v3" is running with another from; a change of from needs a new id',
  ],
  ['the steps of a rollout', 'steps: [5%]', 'steps: [50%]'],
  [
    'the salt of an experiment',
    'salt: spring.7',
    'salt: spring.8',
    'p:22:7 models.digits.experiment: the unit or salt of experiment "exp-7" would change and move callers between arms; take a new id or set allow_reshuffle: true',
  ],
  [
    'the unit of an experiment',
    'body parameters.user',
    'header x-user-id',
    'p:22:7 models.digits.experiment: the unit or salt of experiment "exp-7" would change and move callers between arms; take a new id or set allow_reshuffle: true',
  ],
  [
    'the block of an arm',
    'v1: 20%\n',
    'v1: 25%\n',
    'p:22:7 models.digits.experiment: the blocks of the arms of experiment "exp-7" would change and move callers between arms; take a new id or set allow_reshuffle: true',
  ],
  ['the share of an arm within its reserve', 'share: 10%', 'share: 30%'],
];

for (const [what, from, to, ...lines] of CHANGES) {
  test(`a reload that changes ${what} is ${lines.length > 0 ? 'refused' : 'accepted'}`, () => {
    const running = RICH.replace('allow_reshuffle: true', 'allow_reshuffle: false').replace(
      'v3: { servers: [cpu-b] }',
      'v3: { servers: [cpu-b] }\n      v4: { servers: [cpu-b] }',
    );
    assert.ok(running.includes(from));
    assert.deepEqual(
      mistakesIn(running.replace(from, to), parsePolicy(running, 'p')),
      lines.map((line) => line.replace(/^p:(\d+)/, (_, n) => `p:${Number(n) + 1}`)),
    );
  });
}

test('a reload may move callers between arms where the policy says so', () => {
  assert.deepEqual(mistakesIn(RICH.replace('spring.7', 'spring.8'), parsePolicy(RICH, 'p')), []);
});
