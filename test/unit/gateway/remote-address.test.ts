/** Who is at the other end of a chain of proxies, and what counts as one address. */
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { AddressCounts } from '../../../src/gateway/address-counts.ts';
import {
  countedAs,
  isNetwork,
  shownAddress,
  shownWithoutPort,
  TrustedProxies,
  withoutPort,
} from '../../../src/gateway/remote-address.ts';
import { propertyRuns } from '../../support/property-runs.ts';

const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']);
const callerOf = (peer: string, forwardedFor?: string) =>
  proxies.callerOf({ address: peer, port: 1234 }, { 'x-forwarded-for': forwardedFor });

describe('the caller', () => {
  it('is the peer of the socket, with its port, where no proxy that is trusted says otherwise', () => {
    for (const [peer, header] of [
      ['198.51.100.1', '203.0.113.9'],
      ['10.1.2.3', undefined],
      ['10.1.2.3', ''],
      ['10.1.2.3', 'unknown'],
      ['10.1.2.3', '203.0.113.9, '],
      ['10.1.2.3', '203.0.113.9, _hidden'],
      ['192.0.2.8', '203.0.113.9'],
      ['', '203.0.113.9'],
    ] as const) {
      assert.deepEqual(callerOf(peer, header), { address: peer, port: 1234 }, `${peer} ${header}`);
    }
    const nobody = new TrustedProxies([]);
    const peer = { address: '127.0.0.1', port: 1 };
    assert.equal(nobody.callerOf(peer, { 'x-forwarded-for': '203.0.113.9' }), peer);
  });

  it('is the last in the list that is no proxy, whatever the caller itself has written before', () => {
    for (const [peer, header, caller] of [
      ['10.1.2.3', '203.0.113.9', '203.0.113.9'],
      ['::ffff:10.1.2.3', '203.0.113.9', '203.0.113.9'],
      ['2001:db8::1', '203.0.113.9', '203.0.113.9'],
      ['192.0.2.7', ' 1.1.1.1 ,, 203.0.113.9 , 10.9.9.9, 192.0.2.7', '203.0.113.9'],
      ['10.1.2.3', '203.0.113.9, unknown, 10.9.9.9', '10.9.9.9'],
      ['10.1.2.3', '203.0.113.9, , 10.9.9.9', '10.9.9.9'],
      ['10.1.2.3', '::ffff:203.0.113.9%eth0', '203.0.113.9'],
      // All are proxies: then it is the first of them.
      ['10.1.2.3', '10.0.0.1, 10.0.0.2', '10.0.0.1'],
      ['10.1.2.3', '203.0.113.9:4711', '203.0.113.9'],
      ['10.1.2.3', '[2001:DB9:0::9]:4711', '2001:db9::9'],
      ['10.1.2.3', '2001:db9::9', '2001:db9::9'],
      ['10.1.2.3', '203.0.113.9, ::ffff:10.9.9.9', '203.0.113.9'],
    ] as const) {
      assert.deepEqual(callerOf(peer, header), { address: caller }, `${peer} ${header}`);
    }
  });

  it('is never one that an untrusted peer has named, whatever is in the header', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string());
    const property = fc.property(fc.array(address), fc.ipV4(), (before, caller) => {
      fc.pre(!caller.startsWith('10.') && caller !== '192.0.2.7');
      const header = [...before, caller, '10.0.0.9'].join(', ');
      assert.deepEqual(callerOf('10.0.0.1', header), { address: caller });
      assert.equal(callerOf(caller, header).address, caller);
    });
    fc.assert(property, propertyRuns(300));
  });

  it('uses the scheme that a trusted proxy tells, if it tells one', () => {
    const schemeOf = (peer: string, told?: string) =>
      proxies.schemeOf({ address: peer }, { 'x-forwarded-proto': told });
    assert.equal(schemeOf('10.1.2.3', 'https'), 'https');
    assert.equal(schemeOf('10.1.2.3', 'HTTP'), 'http');
    assert.equal(schemeOf('10.1.2.3', 'https, wss'), 'https');
    assert.equal(schemeOf('10.1.2.3', 'ws'), 'http');
    for (const told of ['https,http', 'https,', 'spdy', 'constructor', '', undefined])
      assert.equal(schemeOf('10.1.2.3', told), undefined);
    assert.equal(schemeOf('198.51.100.1', 'https'), undefined);
  });
});

test('of a long header nothing is held but the address', () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const held: unknown[] = [];
  const before = { 'x-forwarded-for': '' };
  collect();
  const bytes = process.memoryUsage().heapUsed;
  for (let index = 100; index < 200; index += 1) {
    for (const last of [`203.0.113.${index}`, `203.0.113.${index}:4711`, `[2001:db9:1:2:3:4:5:${index}]:1`]) {
      before['x-forwarded-for'] = `${'1.2.3.4, '.repeat(1_000)}${last}`;
      const caller = proxies.callerOf({ address: '10.0.0.1', port: 1 }, before);
      held.push(shownAddress(caller, 'full'), shownAddress(caller, 'masked'), countedAs(caller));
    }
  }
  collect();
  const grown = process.memoryUsage().heapUsed - bytes;
  assert.ok(held.length === 900 && grown < 500_000, `${grown} bytes`);
});

describe('an address', () => {
  it('of a network is written as an address, or with the length of its prefix', () => {
    for (const text of [
      '10.0.0.0/8',
      '192.0.2.7',
      '0.0.0.0/0',
      '2001:db8::/32',
      '::1',
      '::/0',
      '10.0.0.0/32',
    ])
      assert.ok(isNetwork(text), text);
    for (const text of [
      '',
      '10.0.0.0/',
      '10.0.0.0/33',
      '10.0.0/8',
      '::/129',
      'proxy',
      '10.0.0.0/8/8',
      '1.2.3.4/-1',
      'fe80::1%eth0',
    ])
      assert.ok(!isNetwork(text), text);
  });

  it('is shown with its port where that is known, and found again without', () => {
    for (const [address, port, shown, alone] of [
      ['192.0.2.7', 80, '192.0.2.7:80', '192.0.2.7'],
      ['::ffff:192.0.2.7', 80, '192.0.2.7:80', '192.0.2.7'],
      ['2001:db8::7', 80, '[2001:db8::7]:80', '2001:db8::7'],
      ['fe80::7%eth0', 80, '[fe80::7%eth0]:80', 'fe80::7%eth0'],
      ['192.0.2.7', undefined, '192.0.2.7', '192.0.2.7'],
      ['2001:db8::7', undefined, '2001:db8::7', '2001:db8::7'],
    ] as const) {
      assert.equal(shownAddress({ address, port }, 'full'), shown);
      assert.equal(withoutPort(shown), alone);
      assert.equal(shownWithoutPort(alone.toUpperCase().replace('ETH0', 'eth0'), 'full'), alone);
    }
  });

  it('is counted by itself, and of IPv6 with all of its /64', () => {
    assert.equal(countedAs({ address: '::ffff:192.0.2.7' }), '192.0.2.7');
    const first = countedAs({ address: '2001:db8:1:2::7' });
    assert.equal(countedAs({ address: '2001:db8:1:2:ffff::8' }), first);
    assert.notEqual(countedAs({ address: '2001:db8:1:3::7' }), first);
    assert.equal(countedAs({ address: '2001:db8::1' }), countedAs({ address: '2001:db8::2' }));
  });

  it('that has no connection any more is forgotten', () => {
    const counts = new AddressCounts();
    for (const address of ['a', 'b', 'a']) counts.add(address);
    assert.deepEqual([counts.of('a'), counts.of('b'), counts.of('c'), counts.size], [2, 1, 0, 2]);
    for (const address of ['a', 'b']) counts.remove(address);
    assert.deepEqual([counts.of('a'), counts.of('b'), counts.size], [1, 0, 1]);
    counts.remove('a');
    assert.equal(counts.size, 0);
  });
});
