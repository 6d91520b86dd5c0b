/**
 * A client that was to be told of an overload, and had no room left for that, was closed as a slow consumer; a
 * message small enough to fit was still written to it, behind the close frame.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestGateway } from '../support/test-gateway.ts';

test('a client that is cut while it is told of a gap gets nothing after its close frame', () => {
  const { gateway, connect, turn, figures } = createTestGateway({ bufferedMax: 2_048 });
  const client = connect();
  client.stopTaking();
  gateway.hub.publish('public.a', Buffer.alloc(2_020, 'x'));
  turn();
  const [connection] = gateway.connections;
  connection!.miss(1);
  gateway.hub.publish('public.a', Buffer.from('1'));
  turn();
  assert.equal(client.closeCode, 4408);
  client.drain(Number.MAX_SAFE_INTEGER);
  assert.equal(client.received().at(-1)!.length, 2_020);
  client.end(4408);
  const { matched, sent, dropped } = figures().deliveries;
  assert.deepEqual({ matched, sent, overload: dropped.overload }, { matched: 2, sent: 1, overload: 1 });
  assert.equal(figures().ledgerDrift, 0);
});
