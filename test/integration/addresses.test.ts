/** What reports show of a client's address, for both families and each choice of TIDEGAUGE_REMOTE_ADDR. */
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { describe, test } from 'node:test';
import { shownAddress } from '../../src/gateway/remote-address.ts';
import { startTestService } from '../support/test-service.ts';
import { connectClient } from '../support/ws-client.ts';

const hasV6 = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === '::1');

describe('a real client', () => {
  const cases: [host: string, show: string, shown: RegExp][] = [
    ['127.0.0.1', 'full', /^127\.0\.0\.1:\d+$/],
    ['127.0.0.1', 'masked', /^127\.0\.0\.0$/],
    ['127.0.0.1', 'off', /^$/],
    ['::1', 'full', /^\[::1\]:\d+$/],
    ['::1', 'masked', /^0:0:0::$/],
  ];
  for (const [host, show, shown] of cases) {
    const skip = host === '::1' && !hasV6 ? 'this machine has no ::1' : false;
    test(`at ${host} with ${show}`, { skip }, async () => {
      const service = await startTestService({ HOST: host, TIDEGAUGE_REMOTE_ADDR: show });
      try {
        await connectClient(service.wsUrl);
        const { body } = await service.getJson('/metrics/enhanced');
        const { connections } = body as { connections: { connections: { remote_addr: string }[] } };
        assert.match(connections.connections[0]!.remote_addr, shown);
      } finally {
        await service.stop();
      }
    });
  }
});

test('an IPv4 address within IPv6 is shown as IPv4, and a masked network has three groups', () => {
  const masked = (address: string): string => shownAddress({ address, port: 1 }, 'masked');
  assert.equal(shownAddress({ address: '::ffff:192.0.2.7', port: 443 }, 'full'), '192.0.2.7:443');
  assert.equal(shownAddress({ address: '2001:db8::7', port: 443 }, 'full'), '[2001:db8::7]:443');
  assert.equal(masked('::ffff:192.0.2.7'), '192.0.2.0');
  assert.equal(masked('2001:db8:1:2:3:4:5:6'), '2001:db8:1::');
  assert.equal(masked('2001:db8::7'), '2001:db8:0::');
  assert.equal(masked('2001::7'), '2001:0:0::');
  assert.equal(masked('::'), '0:0:0::');
  assert.equal(masked('fe80::1:2:3:4'), 'fe80:0:0::');
});
