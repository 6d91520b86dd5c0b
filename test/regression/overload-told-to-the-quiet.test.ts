/** Clients whose messages were all dropped in an overload learned of it only with the next message on their channels. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestGateway, roomFor } from '../support/test-gateway.ts';

test('a client that missed everything in an overload is told of it at once', () => {
  const { gateway, connect, turn, figures } = createTestGateway({ pendingMax: roomFor(4.9, 200) });
  const [quiet, busy] = [connect(), connect()];
  quiet.send('{"type":"subscribe","channels":["public.a"]}');
  busy.send('{"type":"subscribe","channels":["public.b"]}');
  gateway.hub.publish('public.a', Buffer.alloc(200, 'a'));
  for (let sent = 0; sent < 12; sent += 1) gateway.hub.publish('public.b', Buffer.alloc(200, 'b'));
  while (figures().flush.pendingMessages > 0) turn();
  turn();
  assert.equal(quiet.received().at(-1), '{"type":"gap","reason":"overload","dropped":1}');
});

test('a message alone is sent, however large', () => {
  const { gateway, connect, turn, figures } = createTestGateway({ pendingMax: roomFor(4.9, 200) });
  connect();
  gateway.hub.publish('public.a', Buffer.alloc(5_000, 'a'));
  turn();
  assert.equal(figures().deliveries.sent, 1);
});
