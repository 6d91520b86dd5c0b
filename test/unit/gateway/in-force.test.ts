/** A client is told that it is subscribed when the bus has the subscription: what it fetches then has everything before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeClient } from '../../support/fake-client.ts';
import { createTestGateway } from '../../support/test-gateway.ts';

const subscribe = (...channels: string[]): string => JSON.stringify({ type: 'subscribe', channels });
const unsubscribe = (...channels: string[]): string => JSON.stringify({ type: 'unsubscribe', channels });

/** Types and channels of what it was told. */
function toldTo(client: FakeClient): string[] {
  return client
    .received()
    .slice(1)
    .map((text) => JSON.parse(text))
    .map(({ type, channels, code }) => [type, ...(channels ?? [code])].join(' '));
}

test('the answer waits for the bus, and so does each behind it', async () => {
  const { connect, bus } = createTestGateway();
  const client = connect();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  bus.answered = first.promise;
  client.send(subscribe('public.a'));
  bus.answered = second.promise;
  client.send(subscribe('public.b'));
  bus.answered = undefined;
  client.send(unsubscribe('public.a'));
  client.send(subscribe('public.c'));
  client.send('{"type":"heartbeat"}');
  assert.deepEqual(toldTo(client), ['heartbeat ']);
  second.resolve();
  await second.promise;
  assert.equal(toldTo(client).length, 1);
  first.resolve();
  await first.promise;
  const rest = ['subscribed public.a', 'subscribed public.b', 'unsubscribed public.a', 'subscribed public.c'];
  assert.deepEqual(toldTo(client).slice(1), rest);
  client.send(subscribe('public.d'));
  assert.equal(toldTo(client).at(-1), 'subscribed public.d');
});

test('messages are heard from the subscription on, whatever the answer waits for', () => {
  const { connect, bus, gateway, turn } = createTestGateway();
  const client = connect();
  bus.answered = new Promise(() => undefined);
  client.send(subscribe('private.p'));
  gateway.hub.publish('private.p', Buffer.from('{"type":"early"}'));
  turn();
  assert.deepEqual(toldTo(client), ['early ']);
});

test('a channel that the bus does not let us hear is named, and subscribed all the same', async () => {
  const { connect, bus } = createTestGateway();
  const client = connect();
  bus.refused.add('public.b');
  client.send(subscribe('public.a', 'public.b'));
  assert.deepEqual(toldTo(client), ['error forbidden', 'subscribed public.a public.b']);
  assert.match(client.received()[1]!, /does not let this gateway hear \\"public.b\\" for now/);
});

test('whoever asks on and on while the bus does not answer is answered, and told of a gap when it does', async () => {
  const { connect, bus } = createTestGateway({
    receiveBurst: 1_000,
    receiveRate: 1_000,
    bufferedMax: 2 ** 20,
  });
  const client = connect();
  const { promise, resolve } = Promise.withResolvers<void>();
  bus.answered = promise;
  let sent = 0;
  while (toldTo(client).length === 0) {
    client.send(subscribe('public.a'));
    sent += 1;
  }
  assert.ok(sent > 200 && sent < 500, `${sent}`);
  assert.equal(toldTo(client).length, sent);
  bus.answered = undefined;
  client.send(unsubscribe('public.a'));
  assert.equal(toldTo(client).at(-1), 'unsubscribed public.a');
  resolve();
  await promise;
  assert.deepEqual(toldTo(client).slice(sent + 1), ['gap ']);
});

test('errors keep their place among answers', async () => {
  const { connect, bus } = createTestGateway();
  const client = connect();
  const { promise, resolve } = Promise.withResolvers<void>();
  bus.answered = promise;
  client.send(subscribe('public.a'));
  client.send(subscribe('secret.>'));
  assert.deepEqual(toldTo(client), []);
  resolve();
  await promise;
  assert.deepEqual(toldTo(client), ['subscribed public.a', 'error forbidden']);
});

test('nothing is said to one who has gone meanwhile', async () => {
  const { connect, bus, figures } = createTestGateway();
  const client = connect();
  const { promise, resolve } = Promise.withResolvers<void>();
  bus.answered = promise;
  client.send(subscribe('public.a'));
  const before = figures().messages.transmit;
  client.closeFromClient(1000);
  resolve();
  await promise;
  assert.equal(figures().messages.transmit, before);
});
