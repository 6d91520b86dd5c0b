/** A client found slow by the last delivery of a drain was closed with 4408, though the drain came first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestGateway } from '../support/test-gateway.ts';

test('a drain remains the cause when the last delivery does not fit', () => {
  const { gateway, connect, turn, figures } = createTestGateway({ bufferedMax: 2_048 });
  const client = connect();
  client.stopTaking();
  gateway.hub.publish('public.a', Buffer.alloc(2_000, 'x'));
  turn();
  gateway.hub.publish('public.a', Buffer.alloc(200, 'y'));
  gateway.drain.begin();
  assert.equal(client.closeCode, 1012);
  client.end(1006);
  assert.equal(figures().closed.drain, 1);
  assert.deepEqual(figures().deliveries.dropped, { slow_consumer: 1, conflated: 0, closed: 1, overload: 0 });
  assert.equal(figures().ledgerDrift, 0);
});
