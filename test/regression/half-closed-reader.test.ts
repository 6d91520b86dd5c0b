/**
 * A client that ended its own side of the connection and read nothing any more, with a queue for it here, kept
 * its place for ever: it could not be closed politely, no close time-out ran, and a drain waited for it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../support/until.ts';
import { startWatchedService } from '../support/watched-service.ts';
import { upgradeRaw } from '../support/ws-client.ts';

test('a client that has shut its side and does not read is let go of when its queue is too old', async () => {
  const service = await startWatchedService({
    TIDEGAUGE_MAX_BUFFERED_AGE: '500ms',
    TIDEGAUGE_MAX_BUFFERED: '64MiB',
  });
  const { gateway } = service.service;
  const socket = await upgradeRaw(service.url);
  try {
    socket.pause();
    const payload = Buffer.alloc(256 * 1024, 'x');
    // The witness reads in the same process, so it needs turns of the loop between the messages.
    await until(
      'the kernel takes no more',
      () => {
        gateway.hub.publish('public.a', payload);
        return [...gateway.connections.congested].some(({ id }) => id !== service.witness.id);
      },
      { everyMs: 5 },
    );
    socket.end();
    await until('it is gone', () => gateway.connections.size === 1);
    assert.equal(gateway.ledger.closed.no_close_frame, 1);
    assert.equal(gateway.ledger.closed.slow_consumer, 0);
    await service.checkUnharmed();
  } finally {
    socket.destroy();
    await service.stop();
  }
});
