/**
 * An upgrade request whose body was still to come made Node hand over a stream that is no socket. On a refused
 * path that ended the whole process (it had no destroySoon); on /ws it made figures of bytes NaN for good.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../support/until.ts';
import { startWatchedService } from '../support/watched-service.ts';
import { connectRaw, handshake } from '../support/ws-client.ts';

test('an upgrade request with a body that does not come is answered, and harms nobody', async () => {
  const service = await startWatchedService();
  try {
    for (const [target, status] of [
      ['/elsewhere', 404],
      ['/ws', 426],
    ] as const) {
      const client = await connectRaw(service.url);
      client.socket.write(handshake(service.port, { 'content-length': '50' }, target));
      client.socket.write('five of them');
      await until('the answer', () => client.text().startsWith(`HTTP/1.1 ${status} `));
      client.socket.destroy();
      await client.ended;
      await service.checkUnharmed();
    }
    assert.equal(service.service.gateway.ledger.handshakes.begun, 1);
  } finally {
    await service.stop();
  }
});
