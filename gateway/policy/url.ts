import { BlockList, isIP } from 'node:net';

/** Never a model server: link-local addresses and the clouds' metadata services, which answer with credentials. */
const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet('169.254.0.0', 16, 'ipv4');
FORBIDDEN.addAddress('100.100.100.200', 'ipv4');
FORBIDDEN.addSubnet('0.0.0.0', 8, 'ipv4');
FORBIDDEN.addSubnet('224.0.0.0', 3, 'ipv4');
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6');
FORBIDDEN.addSubnet('ff00::', 8, 'ipv6');
FORBIDDEN.addAddress('::', 'ipv6');
FORBIDDEN.addAddress('fd00:ec2::254', 'ipv6');
// 169.254.0.0/16 again, as IPv6 carries it: IPv4-compatible, NAT64 and 6to4. The mapped form the list knows by itself.
FORBIDDEN.addSubnet('::a9fe:0', 112, 'ipv6');
FORBIDDEN.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6');
FORBIDDEN.addSubnet('2002:a9fe::', 32, 'ipv6');
const FORBIDDEN_NAMES = new Set(['metadata.google.internal', 'metadata', 'instance-data']);

/** Whether an IP address is one that no policy may send requests to. */
export function isForbiddenAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && FORBIDDEN.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** What is wrong with a server's URL, if anything. */
export function mistakeInUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return 'expected a URL such as http://127.0.0.1:9101';
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'expected http:// or https://';
  if (url.username !== '' || url.password !== '') return 'a URL must not carry a password';
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return `expected scheme, host and port alone, such as ${url.origin}`;
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isForbiddenAddress(host) || FORBIDDEN_NAMES.has(host))
    return 'link-local, metadata and multicast addresses are never servers';
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
