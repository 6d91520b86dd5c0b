/**
 * A congested client that takes something proves that it lives, which moved the start of the ping that it had
 * not answered yet: the round trip was recorded as shorter than it was.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestGateway, type TestGateway } from '../support/test-gateway.ts';

function passMs({ clock, gateway }: TestGateway, ms: number): void {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.pass(250);
    gateway.sweep();
  }
}

test('a ping that waited in a queue is no round trip, and its late answer no time-out', () => {
  const given = createTestGateway({ slowPolicy: 'drop' });
  const { gateway, turn, recorded } = given;
  const client = given.connect();
  passMs(given, 25_000);
  assert.equal(client.pings, 1);
  client.stopTaking();
  for (const text of ['first', 'second']) {
    gateway.hub.publish('public.a', Buffer.from(text));
    turn();
  }
  passMs(given, 5_000);
  client.drain('first'.length + 2);
  passMs(given, 1_000);
  client.drain(1_000);
  passMs(given, 8_000);
  client.events.pong();
  assert.deepEqual(recorded.pingRoundTrip, []);
  assert.equal(client.closeCode, undefined);
  // The next ping is measured again.
  while (client.pings < 2) passMs(given, 250);
  given.clock.pass(30);
  client.events.pong();
  assert.deepEqual(recorded.pingRoundTrip, [[0.03]]);
});
