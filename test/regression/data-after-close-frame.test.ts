/**
 * A client that was to be told of an overload, and had no room left for that, was closed as a slow consumer, whatever
 * its policy; and a message small enough to fit was still written to it, behind the close frame. Now it is told as soon
 * before anything newer is written, with or without room, and as soon as nothing waits any more.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowPolicies } from '../../src/gateway/connection.ts';
import { createTestGateway } from '../support/test-gateway.ts';

for (const slowPolicy of slowPolicies) {
  test(`with the policy ${slowPolicy} a client without room for a gap is told of it all the same`, () => {
    const { gateway, connect, turn, figures } = createTestGateway({ bufferedMax: 2_048, slowPolicy });
    const client = connect();
    client.stopTaking();
    gateway.hub.publish('public.a', Buffer.alloc(2_020, 'x'));
    turn();
    const [connection] = gateway.connections;
    connection!.miss(1);
    gateway.announceBusGap();
    gateway.hub.publish('public.a', Buffer.from('1'));
    turn();
    assert.equal(client.closeCode, undefined);
    client.drain(Number.MAX_SAFE_INTEGER);
    const told = client.received().slice(2);
    const bus = '{"type":"gap","reason":"bus","dropped":null}';
    const overload = '{"type":"gap","reason":"overload","dropped":1}';
    assert.deepEqual(told, [overload, bus, '1']);
    const { matched, sent, dropped } = figures().deliveries;
    assert.deepEqual({ matched, sent, overload: dropped.overload }, { matched: 3, sent: 2, overload: 1 });
    assert.equal(figures().ledgerDrift, 0);
  });
}
