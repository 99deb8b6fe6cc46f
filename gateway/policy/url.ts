import { BlockList, isIP } from 'node:net';

/**
 * Never a server: link-local addresses and the metadata services of clouds, which answer with credentials. AWS, Google,
 * Azure and most others are at 169.254.0.0/16.
 */
const NEVER_V4: readonly (readonly [network: string, bits: number])[] = [
  ['169.254.0.0', 16],
  ['100.100.100.200', 32], // Alibaba
  ['168.63.129.16', 32], // Azure's host
  ['192.0.0.192', 32], // Oracle
  ['224.0.0.0', 3], // multicast, reserved, broadcast
];
/** The same in IPv6, and what has no form in IPv4. */
const NEVER_V6: readonly (readonly [network: string, bits: number])[] = [
  ['fe80::', 10],
  ['ff00::', 8],
  ['::', 128],
  ['fd00:ec2::254', 128], // AWS
  ['fd20:ce::254', 128], // Google
];
const NEVER_NAMES = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'instance-data',
  'instance-data.ec2.internal',
  'metadata.tencentyun.com',
]);

const FORBIDDEN = forbiddenList();

/** Each IPv4 network also as IPv6 carries it: IPv4-compatible, NAT64 and 6to4. The mapped form the list knows by itself. */
function forbiddenList(): BlockList {
  const list = new BlockList();
  list.addSubnet('0.0.0.0', 8, 'ipv4'); // not in its IPv6 forms: ::1 would be one of them
  for (const [network, bits] of NEVER_V4) {
    const [a = 0, b = 0, c = 0, d = 0] = network.split('.').map(Number);
    const halves = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    list.addSubnet(network, bits, 'ipv4');
    list.addSubnet(`::${halves}`, 96 + bits, 'ipv6');
    list.addSubnet(`64:ff9b::${halves}`, 96 + bits, 'ipv6');
    list.addSubnet(`2002:${halves}::`, 16 + bits, 'ipv6');
  }
  for (const [network, bits] of NEVER_V6) list.addSubnet(network, bits, 'ipv6');
  return list;
}

/** Whether an IP address is one that no policy may send requests to. */
export function isForbiddenAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && FORBIDDEN.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether the host of a URL, a name or an address, is one that no server may have. */
export function isForbiddenHost(hostname: string): boolean {
  const host = hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  return isForbiddenAddress(host) || NEVER_NAMES.has(host);
}

/** What is wrong with a server's URL, if anything. */
export function mistakeInUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return 'expected a URL such as http://127.0.0.1:9101';
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'expected http:// or https://';
  if (url.username !== '' || url.password !== '') return 'a URL must not carry a password';
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return `expected scheme, host and port alone, such as ${url.origin}`;
  if (isForbiddenHost(url.hostname)) return 'link-local, metadata and multicast addresses are never servers';
  if (url.port === '0') return 'expected a port from 1 to 65535';
  // 0x7f.1, 2130706433 and full-width digits all mean an address that nobody reads in them.
  if (!spellings(url).includes(text.toLowerCase())) return `write it as ${url.origin}`;
  return undefined;
}

/** The ways to write an origin that say just what they mean. */
function spellings({ origin, port, protocol }: URL): string[] {
  const whole = port === '' ? [origin, `${origin}:${protocol === 'https:' ? 443 : 80}`] : [origin];
  return whole.flatMap((text) => [text, `${text}/`]);
}
