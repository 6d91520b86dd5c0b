/** Every reason for which a connection can end is produced for real, over the closed set itself. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { type CloseReason, closeKinds, closeReasons } from '../../src/gateway/close-codes.ts';
import { pointsAboveZero, startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { clientFrame, connectClient, upgradeRaw } from '../support/ws-client.ts';

/** How each end is brought about; resolves when the client has done its part. Fast deadlines, real sockets. */
const produce: Record<CloseReason, (service: TestService) => Promise<unknown>> = {
  normal: async ({ wsUrl }) => (await connectClient(wsUrl)).socket.close(1000),
  going_away: async ({ wsUrl }) => (await connectClient(wsUrl)).socket.close(1001),
  client_error: async ({ wsUrl }) => (await connectClient(wsUrl)).socket.close(4999),
  no_close_frame: async ({ url }) => (await upgradeRaw(url)).resetAndDestroy(),
  protocol_error: async ({ url }) => (await upgradeRaw(url)).write(clientFrame(0x3)),
  message_too_big: async ({ wsUrl }) => (await connectClient(wsUrl)).send('x'.repeat(20_000)),
  policy: async ({ url }) => {
    const socket = await upgradeRaw(url);
    socket.write(clientFrame(0x1, '', 0));
    for (let fragment = 0; fragment < 16; fragment += 1) socket.write(clientFrame(0x0, '', 0));
  },
  slow_consumer: async ({ url, service }) => {
    const socket = await upgradeRaw(url);
    socket.pause();
    const payload = Buffer.alloc(256 * 1024, 'x');
    await until('the bound is passed', () => {
      service.gateway.hub.publish('public.a', payload);
      return service.gateway.figures(ready).states.closing > 0;
    });
    socket.destroy();
  },
  ping_timeout: async ({ url }) => {
    const socket = await upgradeRaw(url);
    // It reads, but does not answer.
    await once(socket, 'close');
  },
  idle: async ({ wsUrl }) => {
    const { closed } = await connectClient(wsUrl);
    assert.deepEqual(await closed, { code: 1000, reason: 'idle' });
  },
  max_age: async ({ wsUrl }) => {
    const client = await connectClient(wsUrl);
    const speaking = setInterval(() => client.send({ type: 'heartbeat' }), 100);
    assert.deepEqual(await client.closed, { code: 1012, reason: 'max_age' });
    clearInterval(speaking);
  },
  admin: async ({ wsUrl, url, service }) => {
    const { closed } = await connectClient(wsUrl);
    const [one] = [...service.gateway.connections];
    const answer = await fetch(`${url}/connections/${one!.id}?code=4403&reason=so+long`, {
      method: 'DELETE',
    });
    assert.deepEqual([answer.status, await answer.json()], [202, { closing: { id: one!.id } }]);
    assert.deepEqual(await closed, { code: 4403, reason: 'so long' });
  },
  drain: async ({ wsUrl, service }) => {
    const { closed } = await connectClient(wsUrl);
    await service.drain();
    assert.deepEqual(await closed, { code: 1012, reason: 'drain' });
  },
};

const ready = { starting: false, draining: false, bus: false, capacity: false };

describe('close reasons', () => {
  for (const reason of closeReasons) {
    test(`${reason} is counted once, by its initiator`, async () => {
      const service = await startTestService({
        TIDEGAUGE_PING_INTERVAL: '200ms',
        TIDEGAUGE_PONG_TIMEOUT: '200ms',
        ...(reason === 'idle' && { TIDEGAUGE_MAX_IDLE: '500ms' }),
        ...(reason === 'max_age' && { TIDEGAUGE_MAX_AGE: '500ms', TIDEGAUGE_MAX_IDLE: '400ms' }),
      });
      try {
        const startMs = performance.now();
        await produce[reason](service);
        await until('the connection is gone', () => service.service.gateway.connections.size === 0);
        const tookSeconds = (performance.now() - startMs) / 1000;
        const readings = await service.collect();
        const ends = pointsAboveZero(readings, 'tidegauge.connection.closed');
        assert.deepEqual(ends, [
          {
            attributes: {
              'tidegauge.close.reason': reason,
              'tidegauge.close.initiator': closeKinds[reason].initiator,
            },
            value: 1,
          },
        ]);
        assert.equal(readings.value('tidegauge.connection.opened'), 1);
        assert.equal(readings.value('tidegauge.connection.active'), 0);
        const durations = readings.histogram('tidegauge.connection.duration', {
          'tidegauge.close.reason': reason,
        });
        assert.equal(durations?.count, 1);
        // Some have waited for a deadline, which is all that they took.
        const least = { ping_timeout: 0.35, idle: 0.45, max_age: 0.45 }[reason as string] ?? 0;
        assert.ok(
          durations.sum >= least && durations.sum <= tookSeconds,
          `${durations.sum} s of ${tookSeconds}`,
        );
        assert.equal(readings.value('tidegauge.ledger.drift'), 0);
      } finally {
        await service.stop();
      }
    });
  }
});
