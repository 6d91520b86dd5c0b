import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionOptions } from '../../../src/bus/nats-options.ts';

const given = { servers: ['nats://127.0.0.1:4222'], name: 'test', log: { warn: () => undefined } };

test('a frozen server is found out within 16 s (G3), and dialled again within 2 s, for ever', () => {
  const options = connectionOptions({ ...given, random: () => 1 });
  assert.ok(options.pingInterval! * (options.maxPingOut! + 1) <= 16_000);
  assert.ok(options.timeout! <= 5_000);
  assert.ok(options.reconnectDelayHandler!() <= 2_000);
  assert.deepEqual(
    [options.maxReconnectAttempts, options.waitOnFirstConnect, options.ignoreAuthErrorAbort],
    [-1, true, true],
  );
});
