/** How a client's address is shown, and how one is found by what somebody types. Pure. */
import { isIP, SocketAddress } from 'node:net';

/** Whole, its network only (/24, /48), or not at all. */
export type AddressShown = 'full' | 'masked' | 'off';

/** The client's address as reports may show it: whole, its network only (/24, /48), or nothing. */
export function shownAddress(remote: { address: string; port: number }, show: AddressShown): string {
  if (show === 'off') return '';
  const address = remote.address.startsWith('::ffff:') ? remote.address.slice(7) : remote.address;
  const isV6 = address.includes(':');
  // Joined, for a concatenated string keeps its parts, and this one is kept for each connection.
  if (show === 'full') return [isV6 ? `[${address}]` : address, remote.port].join(':');
  if (!isV6) return address.replace(/\.\d+$/, '.0');
  // The first three groups, with a `::` among them written out as zeroes.
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + rest.length < 8) groups.push('0');
  return `${[...groups, ...rest].slice(0, 3).join(':')}::`;
}

/** What is shown, without the port, which only whole addresses have. */
export function withoutPort(shown: string): string {
  const v6 = /^\[(.*)\]:\d+$/.exec(shown)?.[1];
  return v6 ?? shown.replace(/^([\d.]+):\d+$/, '$1');
}

/** As that would be of an address that somebody has typed: one address has many spellings. */
export function shownWithoutPort(typed: string, show: AddressShown): string {
  const [address = '', zone] = typed.split('%');
  const canonical = isIP(address) === 6 ? new SocketAddress({ address, family: 'ipv6' }).address : address;
  return withoutPort(shownAddress({ address: [canonical, zone].filter(Boolean).join('%'), port: 0 }, show));
}
