/**
 * Who is at the other end: behind proxies that are trusted, how it is shown, how it is found by what somebody types, and what
 * counts as one address. Pure.
 */
import { BlockList, isIP, SocketAddress } from 'node:net';

/** Without a port where a proxy has told the address. */
export type RemoteAddress = { address: string; port?: number | undefined };

/** Whole, its network only (/24, /48), or not at all. */
export type AddressShown = 'full' | 'masked' | 'off';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What TIDEGAUGE_TRUSTED_PROXIES takes: an address, or a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || more.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32));
}

/**
 * Proxies whose word is believed. Each adds the address of its own caller behind what that caller has said, so the list is read
 * from its end, as far as it was written by those who are trusted: what stands before was written by anybody.
 */
export class TrustedProxies {
  readonly #networks = new BlockList();

  /** Each as `isNetwork` has it. */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', prefix] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#networks.addAddress(address, family);
      else this.#networks.addSubnet(address, Number(prefix), family);
    }
  }

  /** Who asks: the peer of the socket, or whom proxies that are trusted say that it speaks for. */
  callerOf(peer: RemoteAddress, headers: Headers): RemoteAddress {
    let caller = peer;
    for (const hop of valuesOf(headers['x-forwarded-for']).reverse()) {
      if (!this.#isTrusted(caller.address)) break;
      const address = addressOfHop(hop);
      // Nobody can say who is behind what is no address, and what is empty is none.
      if (address === undefined) break;
      caller = { address };
    }
    return caller;
  }

  /** The scheme that the caller used, where a proxy that is trusted tells one. */
  schemeOf(peer: RemoteAddress, headers: Headers): 'http' | 'https' | undefined {
    if (!this.#isTrusted(peer.address)) return undefined;
    const told = new Set(valuesOf(headers['x-forwarded-proto']).map((one) => schemes.get(one.toLowerCase())));
    const [scheme] = told;
    return told.size === 1 ? scheme : undefined;
  }

  #isTrusted(address: string): boolean {
    const [plain = ''] = withoutMapping(address).split('%');
    const family = isIP(plain);
    return family !== 0 && this.#networks.check(plain, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** As proxies write them: some name the WebSocket's own. */
const schemes = new Map<string, 'http' | 'https'>([
  ['http', 'http'],
  ['https', 'https'],
  ['ws', 'http'],
  ['wss', 'https'],
]);

function valuesOf(header: string | string[] | undefined): string[] {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  return text.split(',').map((value) => value.trim());
}

/** As proxies write it: an address, with a port or without, in brackets or without. */
function addressOfHop(hop: string): string | undefined {
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
  return isIP(address) === 0 ? undefined : canonical(address);
}

/** A socket for both families has IPv4 callers with this in front. */
function withoutMapping(address: string): string {
  return /^::ffff:[\d.]+$/i.test(address) ? address.slice('::ffff:'.length) : address;
}

/** One spelling of many, as sockets have it; and a text of its own, for what is cut out of a header holds on to all of it. */
function canonical(typed: string): string {
  const [address = '', zone] = typed.split('%');
  if (isIP(address) === 4) return new SocketAddress({ address, family: 'ipv4' }).address;
  const written = withoutMapping(new SocketAddress({ address, family: 'ipv6' }).address);
  return zone === undefined || isIP(written) === 4 ? written : [written, zone].join('%');
}

/** The client's address as reports may show it. */
export function shownAddress(remote: RemoteAddress, show: AddressShown): string {
  if (show === 'off') return '';
  const address = withoutMapping(remote.address);
  const isV6 = address.includes(':');
  if (show === 'full') {
    if (remote.port === undefined) return address;
    // Joined, for a concatenated string keeps its parts, and this one is kept for each connection.
    return [isV6 ? `[${address}]` : address, remote.port].join(':');
  }
  return isV6 ? `${firstGroups(address, 3)}::` : address.replace(/\.\d+$/, '.0');
}

/** The first groups of an IPv6 address, with a `::` among them written out as zeroes. */
function firstGroups(address: string, count: number): string {
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + rest.length < 8) groups.push('0');
  return [...groups, ...rest].slice(0, count).join(':');
}

/** What is shown, without the port. */
export function withoutPort(shown: string): string {
  const v6 = /^\[(.*)\]:\d+$/.exec(shown)?.[1];
  return v6 ?? shown.replace(/^([\d.]+):\d+$/, '$1');
}

/** As that would be of an address that somebody has typed. */
export function shownWithoutPort(typed: string, show: AddressShown): string {
  return shownAddress({ address: canonical(typed) }, show);
}

/** What counts as one address: of IPv6 the /64 that a household or a machine has all of. */
export function countedAs({ address }: RemoteAddress): string {
  const plain = withoutMapping(address);
  return plain.includes(':') ? firstGroups(plain, 4) : plain;
}
