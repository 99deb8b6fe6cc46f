// The framing grid's cases: bytes that a caller sends, and what must become of them. Rows are those of the catalogue of
// faults; A without a number is what must go on working.

export type Case = {
  readonly row: string;
  readonly name: string;
  /** One character a byte. */
  readonly bytes: string;
  /** The statuses that we answer with, in order. */
  readonly ours: readonly number[];
  /** What reaches the backend of it, as `METHOD path body`; nothing by default. */
  readonly seen: readonly string[];
  /** Why we may accept what a reference refuses: the paragraph that says so. */
  readonly allowed?: string;
};

/** Stands for the case's own number in its bytes, so that the backend's record shows which case it is of. */
export const NUMBER = 'CASE-NUMBER';

const PATH = '/v2/models/m/infer';
const HOST = 'Host: sluice.test';
const ID = `x-case: ${NUMBER}`;
const SEEN = `POST ${PATH} {}`;
const SECOND = `POST ${PATH} second`;
/** What an attacker would like to see served in somebody else's name. */
const SMUGGLED = `POST ${PATH} HTTP/1.1\r\n${HOST}\r\n${ID}\r\nContent-Length: 8\r\n\r\nSMUGGLED`;
const FOLLOWER = `POST ${PATH} HTTP/1.1\r\n${HOST}\r\n${ID}\r\nContent-Length: 6\r\n\r\nsecond`;

type Parts = {
  readonly line?: string;
  readonly host?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
  /** Lines and body as they are, without Content-Length. */
  readonly bare?: boolean;
};

/** A request with two bytes of body, unless its parts say otherwise. */
function request({
  line = `POST ${PATH} HTTP/1.1`,
  host = HOST,
  headers = [],
  body = '{}',
  bare = false,
}: Parts): string {
  const length = bare ? [] : [`Content-Length: ${body.length}`];
  return `${[line, ...(host === '' ? [] : [host]), ID, ...headers, ...length].join('\r\n')}\r\n\r\n${body}`;
}

function accepted(row: string, name: string, bytes: string, seen: readonly string[] = [SEEN], allowed?: string): Case {
  const ours = seen.map(() => 200);
  return { row, name, bytes, ours, seen, ...(allowed !== undefined && { allowed }) };
}

function refused(row: string, name: string, bytes: string, status = 400): Case {
  return { row, name, bytes, ours: [status], seen: [] };
}

const withHeaders = (...headers: string[]) => request({ headers });
const withLine = (line: string) => request({ line });
const withTarget = (target: string) => withLine(`POST ${target} HTTP/1.1`);
const withHost = (host: string) => request({ host });
/** Framed by what the headers say, with a request behind it. */
const framed = (headers: readonly string[], body = '{}') => request({ headers, body, bare: true }) + SMUGGLED;
const chunked = (body: string, headers: readonly string[] = []) =>
  request({ headers: ['Transfer-Encoding: chunked', ...headers], body, bare: true });

const withTrailer = (trailer: string) => chunked(`2\r\n{}\r\n0\r\n${trailer}\r\n\r\n`, ['Trailer: x']);

const PLAIN: readonly Case[] = [
  accepted('A', 'a body with Content-Length', request({})),
  accepted('A', 'a chunked body', chunked('2\r\n{}\r\n0\r\n\r\n')),
  accepted(
    'A',
    'the coding in capitals',
    request({ headers: ['Transfer-Encoding: CHUNKED'], body: '2\r\n{}\r\n0\r\n\r\n', bare: true }),
  ),
  accepted('A', 'two requests in one packet', request({}) + FOLLOWER, [SEEN, SECOND]),
  accepted('A', 'a chunked body and a request behind it', chunked('2\r\n{}\r\n0\r\n\r\n') + FOLLOWER, [
    SEEN,
    `POST ${PATH} second`,
  ]),
  accepted('A', 'no body at all', request({ body: '', bare: true }), [`POST ${PATH} `]),
  accepted('A', 'Content-Length: 0', request({ body: '' }), [`POST ${PATH} `]),
  accepted('A', 'a length with leading zeros', request({ headers: ['Content-Length: 002'], bare: true })),
  accepted('A', 'an empty line before the request', `\r\n${request({})}`),
  accepted('A', 'blanks around a value', withHeaders('x-blank: \t a \t ')),
  accepted('A', 'an empty value', withHeaders('x-empty:')),
  accepted('A', 'bytes beyond ASCII in a value', withHeaders('x-name: \xe4\xff')),
  accepted('A', 'a name of every character that names may have', withHeaders("x!#$%&'*+-.^_`|~09: a")),
  accepted('A', 'HTTP/1.0 with Content-Length', withLine(`POST ${PATH} HTTP/1.0`)),
  accepted('A', 'HTTP/1.0 without Host', request({ line: `POST ${PATH} HTTP/1.0`, host: '' })),
  accepted('A', 'bytes behind a last request', request({ headers: ['Connection: close'] }) + SMUGGLED),
  accepted('A', 'bytes behind a request of HTTP/1.0', withLine(`POST ${PATH} HTTP/1.0`) + SMUGGLED),
  accepted(
    'A',
    'a GET with a body and a request behind it',
    request({ line: 'GET /v2/models/m HTTP/1.1' }) + FOLLOWER,
    ['GET /v2/models/m ', SECOND],
  ),
];

const LENGTHS: readonly Case[] = [
  refused('A1', 'two equal lengths', framed(['Content-Length: 2', 'Content-Length: 2'])),
  refused('A2', 'two lengths, the first one right', framed(['Content-Length: 2', 'Content-Length: 90'])),
  refused('A2', 'two lengths, the last one right', framed(['Content-Length: 90', 'Content-Length: 2'])),
  ...[
    '2,2',
    '2, 2',
    '+2',
    '0x2',
    '2.0',
    '',
    '-1',
    '2 2',
    '2;',
    '2e0',
    '"2"',
    '\xb2',
    '18446744073709551618',
    '99999999999999999999999',
  ].map((length) => refused('A3', `the length ${JSON.stringify(length)}`, framed([`Content-Length: ${length}`]))),
  refused('A5', 'chunked and then a length', framed(['Transfer-Encoding: chunked', 'Content-Length: 5'], '0\r\n\r\n')),
  refused('A5', 'a length and then chunked', framed(['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n')),
  refused(
    'A5',
    'chunked and the length 0',
    framed(['Content-Length: 0', 'Transfer-Encoding: chunked'], '2\r\n{}\r\n0\r\n\r\n'),
  ),
];

const CODINGS: readonly Case[] = [
  ...['chunked, identity', 'chunked, chunked', '\x0bchunked', 'chunked\x11', 'chunked,'].map((coding) =>
    refused('A6', `the coding ${JSON.stringify(coding)}`, framed([`Transfer-Encoding: ${coding}`], '0\r\n\r\n')),
  ),
  ...[
    'xchunked',
    'chunked;q=1',
    '"chunked"',
    ',chunked',
    'chu nked',
    '\xa0chunked',
    'identity',
    'gzip, chunked',
    'gzip',
    '',
    '\t',
  ].map((coding) =>
    refused('A6', `the coding ${JSON.stringify(coding)}`, framed([`Transfer-Encoding: ${coding}`], '0\r\n\r\n'), 501),
  ),
  refused(
    'A6',
    'chunked on two lines',
    framed(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  ),
  refused(
    'A6',
    'identity and then chunked',
    framed(['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  ),
  refused('A6', 'a blank before the colon', framed(['Transfer-Encoding : chunked', 'Content-Length: 5'], '0\r\n\r\n')),
  refused(
    'A6',
    'the name with an underscore',
    framed(['Transfer_Encoding: chunked', 'Content-Length: 5'], '0\r\n\r\n'),
  ),
  refused('A6', 'the length with an underscore', framed(['Content_Length: 5', 'Content-Length: 2'])),
  refused(
    'A8',
    'chunked in HTTP/1.0',
    request({
      line: `POST ${PATH} HTTP/1.0`,
      headers: ['Transfer-Encoding: chunked'],
      body: '2\r\n{}\r\n0\r\n\r\n',
      bare: true,
    }),
  ),
  refused(
    'A8',
    'chunked in HTTP/1.0 with keep-alive and a second request',
    request({
      line: `POST ${PATH} HTTP/1.0`,
      headers: ['Connection: keep-alive', 'Transfer-Encoding: chunked'],
      body: '2\r\n{}\r\n0\r\n\r\n',
      bare: true,
    }) + SMUGGLED,
  ),
];

const LINES: readonly Case[] = [
  refused('A9', 'a blank before a colon', withHeaders('x-a : b')),
  refused('A9', 'a tab before a colon', withHeaders('x-a\t: b')),
  refused('A9', 'a folded line', withHeaders('x-a: b', ' c')),
  refused('A9', 'a folded line with a tab', withHeaders('x-a: b', '\tc')),
  refused('A9', 'a blank before the first name', request({ host: ` ${HOST}` })),
  refused('A9', 'a bare CR in a value', withHeaders('x-a: b\rc')),
  refused('A9', 'a NUL in a value', withHeaders('x-a: b\0c')),
  refused('A9', 'a NUL in a name', withHeaders('x-\0a: b')),
  refused('A9', 'an empty name', withHeaders(': b')),
  refused('A9', 'a control byte before a name', withHeaders('\x01x-a: b')),
  refused('A9', 'a line without a colon', withHeaders('x-a')),
  refused('A9', 'a blank in a name', withHeaders('x a: b')),
  refused('A9', 'a byte beyond ASCII in a name', withHeaders('x-\xe4: b')),
  refused('A9', 'a control byte before the method', withLine(`\x01POST ${PATH} HTTP/1.1`)),
  refused('A9', 'a DEL in a value', withHeaders('x-a: b\x7f')),
  refused('A10', 'bare LF throughout', request({}).replaceAll('\r\n', '\n')),
  refused('A10', 'a bare LF after a header', request({}).replace(`${ID}\r\n`, `${ID}\n`)),
  refused('A10', 'a bare LF after the request line', request({}).replace('HTTP/1.1\r\n', 'HTTP/1.1\n')),
  refused('A10', 'a bare LF at the end of the head', request({}).replace('\r\n\r\n', '\r\n\n')),
  refused('A10', 'a bare CR for a line end', request({}).replace(`${ID}\r\n`, `${ID}\r`)),
  refused('A10', 'a chunk size ended by LF', chunked('2\n{}\r\n0\r\n\r\n') + SMUGGLED),
  refused('A10', 'a chunk ended by LF', chunked('2\r\n{}\n0\r\n\r\n') + SMUGGLED),
  refused('A10', 'the last chunk ended by LF', chunked('2\r\n{}\r\n0\n\r\n') + SMUGGLED),
  refused('A10', 'a blank behind a chunk size', chunked('2 \r\n{}\r\n0\r\n\r\n') + SMUGGLED),
];

const CHUNKS: readonly Case[] = [
  ...['ZZ', '0x2', '-1', '+2', ' 2', '', 'FFFFFFFFFFFFFFFFF', '2_0', '2\x00'].map((size) =>
    refused('A11', `the chunk size ${JSON.stringify(size)}`, chunked(`${size}\r\n{}\r\n0\r\n\r\n`) + SMUGGLED),
  ),
  refused('A11', 'a chunk longer than its size', chunked('1\r\n{}\r\n0\r\n\r\n') + SMUGGLED),
  refused('A11', 'a chunk without its end', chunked('2\r\n{}XX0\r\n\r\n') + SMUGGLED),
  accepted('A12', 'a short chunk extension', chunked('2;a=b\r\n{}\r\n0;c\r\n\r\n')),
  refused('A12', 'a chunk extension of 20 KB', chunked(`2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`) + SMUGGLED),
  refused('A12', 'an LF in a chunk extension', chunked('2;a\nb\r\n{}\r\n0\r\n\r\n') + SMUGGLED),
  refused('A12', 'a CR in a chunk extension', chunked('2;a\rb\r\n{}\r\n0\r\n\r\n') + SMUGGLED),
  ...['Authorization: Bearer x', 'Host: other.test', 'x-sluice-version: v9'].map((trailer) =>
    accepted('A13', `the trailer ${trailer}`, withTrailer(trailer) + FOLLOWER, [SEEN, SECOND]),
  ),
  ...['Content-Length: 5', 'Transfer-Encoding: chunked'].map((trailer) =>
    refused('A13', `the trailer ${trailer}`, withTrailer(trailer) + SMUGGLED),
  ),
];

const HOSTS: readonly Case[] = [
  refused('A14', 'no Host', withHost('')),
  refused('A14', 'two equal Hosts', withHeaders(HOST)),
  refused('A14', 'two Hosts', withHeaders('Host: other.test')),
  refused('A14', 'two Hosts in HTTP/1.0', request({ line: `POST ${PATH} HTTP/1.0`, headers: ['Host: other.test'] })),
  ...[
    '',
    'a/b@c',
    'a b',
    'user@a',
    'a, b',
    'a:b',
    'a:99999',
    '[::1',
    'a?b',
    'a#b',
    'a\\b',
    '\xe4.test',
    'a:80:80',
    'a<b',
  ].map((host) => refused('A14', `the Host ${JSON.stringify(host)}`, withHost(`Host: ${host}`))),
  ...['sluice.test:8080', '[::1]:8080', '127.0.0.1', 'sluice.test.', 'SLUICE.test', 'my_host'].map((host) =>
    accepted('A14', `the Host ${host}`, withHost(`Host: ${host}`)),
  ),
  accepted('A14', 'a whole URL for the host of Host', withTarget(`http://sluice.test${PATH}`)),
  accepted('A14', 'a whole URL with the default port', withTarget(`http://Sluice.TEST:80${PATH}`)),
  refused('A14', 'a whole URL for another host', withTarget(`http://other.test${PATH}`)),
  refused('A14', 'a whole URL for another port', withTarget(`http://sluice.test:81${PATH}`)),
  refused('A14', 'a whole URL and no Host', request({ line: `POST http://sluice.test${PATH} HTTP/1.1`, host: '' })),
  refused('A14', 'a whole URL with a user', withTarget(`http://user@sluice.test${PATH}`)),
  refused('A14', 'a whole URL of another scheme', withTarget(`https://sluice.test${PATH}`)),
  refused('A14', 'a whole URL without a host', withTarget(`http://${PATH}`)),
];

const VERSIONS: readonly Case[] = [
  refused('A16', 'HTTP/0.9 in so many words', withLine(`POST ${PATH} HTTP/0.9`), 505),
  refused('A16', 'a line of HTTP/0.9', `GET ${PATH}\r\n\r\n`, 505),
  refused('A16', 'HTTP/1.2', withLine(`POST ${PATH} HTTP/1.2`)),
  refused('A16', 'HTTP/2.0', withLine(`POST ${PATH} HTTP/2.0`), 505),
  refused('A16', 'HTTP/3.0', withLine(`POST ${PATH} HTTP/3.0`)),
  refused('A16', 'HTTP/1.10', withLine(`POST ${PATH} HTTP/1.10`)),
  refused('A16', 'HTTP/01.1', withLine(`POST ${PATH} HTTP/01.1`)),
  refused('A16', 'http/1.1', withLine(`POST ${PATH} http/1.1`)),
  refused('A16', 'ICE/1.0', withLine(`POST ${PATH} ICE/1.0`)),
  accepted(
    'A16',
    'RTSP/1.0, which is read as HTTP/1.0 and nothing behind it',
    withLine(`POST ${PATH} RTSP/1.0`) + SMUGGLED,
    [SEEN],
    'RFC 9112 section 3: a server SHOULD refuse an invalid request line; llhttp does not tell the protocol',
  ),
  refused('A16', 'the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  accepted('A16', 'two blanks in the line', withLine(`POST  ${PATH} HTTP/1.1`)),
  refused('A16', 'a tab in the line', withLine(`POST\t${PATH} HTTP/1.1`)),
  refused('A16', 'a blank at the end of the line', withLine(`POST ${PATH} HTTP/1.1 `)),
  refused('A16', 'a blank before the line', withLine(` POST ${PATH} HTTP/1.1`)),
  refused(
    'A17',
    'CONNECT',
    `${request({ line: 'CONNECT sluice.test:443 HTTP/1.1', bare: true, body: '' })}${SMUGGLED}`,
    501,
  ),
  refused('A17', 'TRACE', request({ line: `TRACE ${PATH} HTTP/1.1`, bare: true, body: '' }) + SMUGGLED, 501),
  refused('A17', 'a method in lower case', withLine(`post ${PATH} HTTP/1.1`)),
  refused('A17', 'an unknown method', withLine(`FOO ${PATH} HTTP/1.1`)),
  refused('A17', 'a method of WebDAV', withLine(`PROPFIND ${PATH} HTTP/1.1`), 501),
  refused('A17', 'a method with a NUL', withLine(`PO\0ST ${PATH} HTTP/1.1`)),
  refused('A17', 'a long method', withLine(`${'A'.repeat(200)} ${PATH} HTTP/1.1`)),
];

const CONNECTIONS: readonly Case[] = [
  accepted(
    'A19',
    'an upgrade that nobody offered, and bytes behind it',
    withHeaders('Upgrade: foo', 'Connection: upgrade') + SMUGGLED,
  ),
  accepted(
    'A19',
    'an upgrade to websocket, and bytes behind it',
    withHeaders(
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
    ) + SMUGGLED,
  ),
  accepted(
    'A19',
    'an upgrade to h2c',
    withHeaders('Upgrade: h2c', 'Connection: Upgrade, HTTP2-Settings', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
  ),
  accepted('A20', 'Expect: 100-continue', withHeaders('Expect: 100-continue')),
  accepted(
    'A20',
    'Expect: 100-Continue in HTTP/1.0',
    request({ line: `POST ${PATH} HTTP/1.0`, headers: ['Expect: 100-continue'] }),
  ),
  refused('A21', 'Expect: anything', withHeaders('Expect: anything') + SMUGGLED, 417),
  refused('A21', 'Expect: 100-continue and more', withHeaders('Expect: 100-continue, anything') + SMUGGLED, 417),
  refused('A21', 'two Expects', withHeaders('Expect: 100-continue', 'Expect: 100-continue') + SMUGGLED),
  accepted(
    'A22',
    'Connection names headers of the request',
    withHeaders('Connection: authorization, x-tenant', 'Authorization: Bearer x', 'x-tenant: a'),
  ),
  accepted('A22', 'Connection names the framing', withHeaders('Connection: content-length, host')),
  accepted(
    'A23',
    'every header of one hop',
    withHeaders(
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Trailer: x',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic eA==',
      'Upgrade: h2c',
    ),
  ),
  refused('A23', 'two Authorizations', withHeaders('Authorization: Bearer a', 'Authorization: Bearer b')),
  refused('A23', 'two types of content', withHeaders('Content-Type: application/json', 'Content-Type: text/plain')),
  accepted('A32', 'a range of a prediction', withHeaders('Range: bytes=0-0', 'If-None-Match: "a"')),
];

const SIZES: readonly Case[] = [
  accepted('A25', 'a value of 7 KB', withHeaders(`x-a: ${'a'.repeat(7000)}`)),
  refused('A25', 'a value of 15 KB', withHeaders(`x-a: ${'a'.repeat(15_000)}`), 431),
  refused(
    'A25',
    'headers of 17 KB',
    withHeaders(...Array.from({ length: 17 }, (_, i) => `x-${i}: ${'a'.repeat(1000)}`)),
    431,
  ),
  refused('A25', '1,001 headers', withHeaders(...Array.from({ length: 1001 }, () => 'a: b')), 431),
  accepted('A25', '90 headers', withHeaders(...Array.from({ length: 90 }, (_, i) => `x-${i}: b`))),
  refused('B18', 'a name of 9 KB', withTarget(`/v2/models/${'m'.repeat(9000)}/infer`), 414),
  refused('B18', 'a name of 100 KB', withTarget(`/v2/models/${'m'.repeat(100_000)}/infer`), 431),
];

const TARGETS: readonly Case[] = [
  accepted('C2', 'a query', withTarget(`${PATH}?a=b&c={d}|e`), [SEEN]),
  ...[
    `${PATH}#a`,
    PATH.slice(1),
    '*',
    `${PATH}?a="b"`,
    `${PATH}?<`,
    'sluice.test:80',
    '/v2\\models\\m\\infer',
    '/v2/models/\xe4/infer',
    '/v2/./models/m/infer',
    '/v2/models/../models/m/infer',
    '/v2/models/%2e%2e/models/m/infer',
    '/v2/models/.%2E/infer',
    `${PATH}/..`,
    `?${PATH}`,
  ].map((target) => refused('C2', `the target ${JSON.stringify(target)}`, withTarget(target))),
  refused('C2', 'a blank in the target', withTarget('/v2/models/m /infer')),
  refused('C2', 'no target', withLine('POST  HTTP/1.1')),
  refused('C2', 'a NUL in the target', withTarget('/v2/models/m\0/infer')),
  refused('C2', 'an encoding that is none', withTarget('/v2/models/%zz/infer')),
  ...[
    '/v2/models/..%2f..%2fetc/infer',
    '/v2/models/a%2fb/infer',
    '/v2/models/%00/infer',
    '/v2/models/m%0d%0a/infer',
    '/v2/models/__proto__/infer',
    '/v2/models/constructor/infer',
    '/v2/models/toString/infer',
    '/v2/models/%D0%BC/infer',
    '//v2/models/m/infer',
    '/v2/models//infer',
    '/v2/models/M/infer',
  ].map((target) => ({ ...refused('C2', `the target ${target}`, withTarget(target)), ours: [404] })),
];

/** Every case of the grid. */
export const CASES: readonly Case[] = [
  ...PLAIN,
  ...LENGTHS,
  ...CODINGS,
  ...LINES,
  ...CHUNKS,
  ...HOSTS,
  ...VERSIONS,
  ...CONNECTIONS,
  ...SIZES,
  ...TARGETS,
];
