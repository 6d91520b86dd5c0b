import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestGateway } from '../../support/test-gateway.ts';

const subscribe = (...channels: string[]): string => JSON.stringify({ type: 'subscribe', channels });
const unsubscribe = (...channels: string[]): string => JSON.stringify({ type: 'unsubscribe', channels });

test('a message goes out once per turn, in one write per connection, as many messages as there are', () => {
  const { gateway, connect, turn, recorded, figures } = createTestGateway();
  const client = connect();
  const before = client.bytesWritten;
  for (const text of ['one', 'two', 'three']) gateway.hub.publish('public.a', Buffer.from(text));
  assert.equal(client.bytesWritten, before);
  assert.equal(figures().flush.pendingMessages, 3);
  turn();
  assert.deepEqual(client.received().slice(1), ['one', 'two', 'three']);
  assert.deepEqual(recorded.fanoutBatch, [[3]]);
  assert.deepEqual(recorded.fanoutRecipients, [[1], [1], [1]]);
  assert.equal(recorded.fanoutDuration.length, 3);
  assert.equal(figures().flush.pendingMessages, 0);
});

test('a client that matches by several patterns gets one frame', () => {
  const { gateway, connect, turn } = createTestGateway();
  const client = connect();
  client.send(subscribe('public.a', 'public.*', 'public.>'));
  gateway.hub.publish('public.a', Buffer.from('once'));
  turn();
  assert.equal(client.received().filter((text) => text === 'once').length, 1);
});

test('the first subscribe narrows, the last unsubscribe silences', () => {
  const { gateway, connect, turn } = createTestGateway();
  const client = connect();
  const heard = (subject: string): boolean => {
    const before = client.received().length;
    gateway.hub.publish(subject, Buffer.from('m'));
    turn();
    return client.received().length > before;
  };
  assert.ok(heard('public.a') && heard('public.b'));
  client.send(unsubscribe('public.a'));
  assert.ok(heard('public.a'), 'an unsubscribe before the first subscribe changes nothing');
  client.send(subscribe('public.a', 'private.p'));
  assert.ok(heard('public.a') && heard('private.p') && !heard('public.b'));
  client.send(unsubscribe('public.a', 'private.p'));
  assert.ok(!heard('public.a') && !heard('public.b') && !heard('private.p'));
});

test('a message that arrived before a change of subscriptions is heard by the old ones only', () => {
  const { gateway, connect, turn } = createTestGateway();
  const [first, second] = [connect(), connect()];
  first.send(subscribe('public.a'));
  gateway.hub.publish('public.a', Buffer.from('early'));
  second.send(subscribe('public.b'));
  second.send(subscribe('public.a'));
  second.send(unsubscribe('public.b'));
  turn();
  assert.deepEqual(
    first.received().filter((text) => text === 'early'),
    ['early'],
  );
  assert.deepEqual(
    second.received().filter((text) => text === 'early'),
    ['early'],
  );
  const early = second.received().indexOf('early');
  assert.ok(early < second.received().findIndex((text) => text.includes('subscribed')));
});

test('whoever leaves an audience, in whatever order, is the one that hears no more', () => {
  const { gateway, connect, turn, recorded, wanted } = createTestGateway();
  const clients = [connect(), connect(), connect(), connect()];
  const hears = (text: string): boolean[] => {
    gateway.hub.publish('public.a', Buffer.from(text));
    turn();
    return clients.map((client) => client.received().at(-1) === text);
  };
  // The last member takes the place of the one that leaves, and then has to be found there.
  clients[0]!.send(subscribe('public.b'));
  assert.deepEqual(hears('1'), [false, true, true, true]);
  clients[3]!.send(subscribe('public.b'));
  assert.deepEqual(hears('2'), [false, true, true, false]);
  clients[1]!.send(subscribe('public.b'));
  assert.deepEqual(hears('3'), [false, false, true, false]);
  clients[2]!.send(subscribe('public.b'));
  assert.deepEqual(hears('4'), [false, false, false, false]);
  assert.deepEqual(recorded.fanoutRecipients, [[3], [2], [1]]);
  assert.deepEqual([...wanted], ['public.b']);
});

test('a channel is wanted while somebody listens to it', () => {
  const { wanted, connect } = createTestGateway();
  const [first, second] = [connect(), connect()];
  assert.deepEqual([...wanted], ['public.>']);
  first.send(subscribe('private.p'));
  second.send(subscribe('private.p'));
  assert.deepEqual([...wanted], ['private.p']);
  first.end(1006);
  assert.deepEqual([...wanted], ['private.p']);
  second.end(1006);
  assert.deepEqual([...wanted], []);
});

test('a message that nobody hears costs no frame and is not waited for', () => {
  const { gateway, connect, recorded, figures } = createTestGateway();
  connect();
  gateway.hub.publish('elsewhere', Buffer.from('x'));
  assert.equal(figures().flush.pendingMessages, 0);
  assert.deepEqual(recorded.fanoutRecipients, []);
});

test('connections with the same channels share an audience, whatever the order they asked in', () => {
  const { connect, figures } = createTestGateway();
  const [first, second] = [connect(), connect()];
  first.send(subscribe('public.a', 'public.b'));
  second.send(subscribe('public.b'));
  assert.equal(figures().audiences, 2);
  second.send(subscribe('public.a', 'public.b'));
  assert.equal(figures().audiences, 1);
  assert.equal(figures().subscriptions, 4);
  assert.equal(figures().channels, 2);
});

test('more than a buffer of messages in one turn arrives complete and in order', () => {
  const { gateway, connect, turn } = createTestGateway({ bufferedMax: 10_000_000 });
  const client = connect();
  const sent = Array.from({ length: 300 }, (_, index) => `${index} ${'x'.repeat(1_000)}`);
  for (const text of sent) gateway.hub.publish('public.a', Buffer.from(text));
  turn();
  assert.deepEqual(client.received().slice(1), sent);
});

test('bad channels are answered, and nothing changes', () => {
  const { connect, figures } = createTestGateway({ subscriptionsMax: 2 });
  const client = connect();
  const lastError = (): { code: string; message: string } => JSON.parse(client.received().at(-1)!);
  const errorOf = (message: string): string => {
    client.send(message);
    return lastError().code;
  };
  assert.equal(errorOf(subscribe('public.a', `a..${'b'.repeat(300)}`)), 'bad_channel');
  assert.match(
    lastError().message,
    /^"a\.\.b{61}\.\.\." is no channel.*at most 256 characters and 32 tokens/,
  );
  assert.equal(errorOf(subscribe('public.a', 'secret')), 'forbidden');
  assert.match(lastError().message, /^"secret" is not/);
  assert.equal(errorOf(subscribe('>')), 'forbidden');
  assert.equal(errorOf(subscribe('public.a', 'public.b', 'public.c')), 'too_many_subscriptions');
  assert.equal(errorOf(unsubscribe('a b')), 'bad_channel');
  assert.equal(figures().channels, 1);
  assert.deepEqual(figures().messagesRejected, {
    malformed: 0,
    unknown_type: 0,
    bad_channel: 2,
    forbidden: 2,
    too_many_subscriptions: 1,
    rate_limited: 0,
  });
});

test('of a gap on some channels only those are told who listen to one of them', () => {
  const { gateway, connect } = createTestGateway();
  const [first, second, third] = [connect(), connect(), connect()];
  first.send(subscribe('public.a', 'private.p'));
  second.send(subscribe('public.*'));
  gateway.announceBusGapTo(['public.a', 'private.p']);
  const gaps = [first, second, third].map(
    (client) => client.received().filter((text) => text.includes('"gap"')).length,
  );
  assert.deepEqual(gaps, [1, 0, 0]);
});
