/** Slices, pacing and overload of the flush, on an injected clock that passes with each write. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeClient } from '../../support/fake-client.ts';
import { createTestGateway, roomFor, type TestGateway } from '../../support/test-gateway.ts';

/** Clients of which each write takes a millisecond, or so many. */
function connectMany(given: TestGateway, count: number, writeMs = 1): FakeClient[] {
  return Array.from({ length: count }, () => {
    const client = given.connect();
    const write = client.write.bind(client);
    client.write = (chunk, taken) => {
      given.clock.pass(writeMs);
      return write(chunk, taken);
    };
    return client;
  });
}

const heardCount = (clients: FakeClient[], text: string): number =>
  clients.filter((client) => client.received().includes(text)).length;

test('a flush is cut into slices, and a share of its time passes before the next', () => {
  const given = createTestGateway({ flushSliceMs: 8, flushPacing: 0.5 });
  const clients = connectMany(given, 40);
  given.gateway.hub.publish('public.a', Buffer.from('m'));
  const heard: number[] = [];
  while (given.figures().flush.pendingMessages > 0) {
    given.turn();
    heard.push(heardCount(clients, 'm'));
  }
  assert.deepEqual(heard, [8, 16, 24, 32, 40]);
  assert.deepEqual(given.pauses, [20]);
  assert.deepEqual(given.recorded.fanoutBatch, [[1]]);
});

test('a flush is over when all who waited at its beginning have had their turn', () => {
  const given = createTestGateway({ flushSliceMs: 8, flushPacing: 0.5 });
  const [clients, others] = [connectMany(given, 20), connectMany(given, 4)];
  for (const client of others) client.send('{"type":"subscribe","channels":["public.b"]}');
  given.gateway.hub.publish('public.a', Buffer.from('m'));
  given.turn();
  // Both audiences have something to write again before the flush is through.
  for (const subject of ['public.b', 'public.a']) given.gateway.hub.publish(subject, Buffer.from('n'));
  given.turn();
  assert.deepEqual([heardCount(clients, 'm'), heardCount(others, 'n'), given.pauses], [20, 0, [10]]);
  while (given.figures().flush.pendingMessages > 0) given.turn();
  assert.deepEqual([heardCount(clients, 'n'), heardCount(others, 'n'), given.pauses], [20, 4, [10, 10.2]]);
});

test('a long flush pauses in its midst', () => {
  const given = createTestGateway({ flushSliceMs: 8, flushPacing: 0.5 });
  const clients = connectMany(given, 1_200);
  given.gateway.hub.publish('public.a', Buffer.from('m'));
  while (given.figures().flush.pendingMessages > 0) given.turn();
  assert.equal(heardCount(clients, 'm'), 1_200);
  assert.deepEqual(given.pauses, [250, 250, 96]);
});

test('time in which the process was not let run makes no pause longer', () => {
  const given = createTestGateway({ flushPacing: 0.5 });
  const client = given.connect();
  const write = client.write.bind(client);
  client.write = (chunk, taken) => {
    given.clock.pass(60_000);
    return write(chunk, taken);
  };
  given.gateway.hub.publish('public.a', Buffer.from('m'));
  given.turn();
  assert.deepEqual(given.pauses, [250]);
});

test('an audience with more than it is written in one go has its next turn after the pause', () => {
  const given = createTestGateway({ flushSliceMs: 1_000, flushPacing: 0.5, pendingMax: 2 ** 23 });
  connectMany(given, 1);
  for (let sent = 0; sent < 32; sent += 1) given.gateway.hub.publish('public.a', Buffer.alloc(60_000, 'x'));
  while (given.figures().flush.pendingMessages > 0) given.turn();
  assert.deepEqual(given.pauses, [8, 8]);
});

test('a slice becomes half as long again, if an audience is through then', () => {
  for (const [members, slices] of [
    [12, [12]],
    [13, [8, 13]],
    [20, [8, 20]],
  ] as const) {
    const given = createTestGateway({ flushSliceMs: 8, flushPacing: 0.5 });
    const clients = connectMany(given, members);
    given.gateway.hub.publish('public.a', Buffer.from('m'));
    const heard: number[] = [];
    while (given.figures().flush.pendingMessages > 0) {
      given.turn();
      heard.push(heardCount(clients, 'm'));
    }
    assert.deepEqual(heard, slices, `${members} members`);
  }
});

test('what comes during the pause is written after it, in one batch', () => {
  const given = createTestGateway({ flushSliceMs: 100, flushPacing: 0.5 });
  const [client] = connectMany(given, 4);
  given.gateway.hub.publish('public.a', Buffer.from('1'));
  given.turn();
  for (const text of ['2', '3']) given.gateway.hub.publish('public.a', Buffer.from(text));
  assert.deepEqual(client!.received().slice(1), ['1']);
  given.turn();
  assert.deepEqual(client!.received().slice(1), ['1', '2', '3']);
});

test('without pacing there is no pause', () => {
  const given = createTestGateway({ flushPacing: 0 });
  connectMany(given, 20);
  given.gateway.hub.publish('public.a', Buffer.from('m'));
  while (!given.isIdle()) given.turn();
  assert.deepEqual(given.pauses, []);
  assert.equal(given.figures().flush.pendingMessages, 0);
});

test('a flush of less than half a millisecond is followed by no pause, however many there are', () => {
  for (const [members, pauses] of [
    [3, []],
    [4, [0.25, 0.25, 0.25]],
  ] as const) {
    const given = createTestGateway({ flushPacing: 0.5 });
    connectMany(given, members, 0.125);
    for (let sent = 0; sent < 3; sent += 1) {
      given.gateway.hub.publish('public.a', Buffer.from('m'));
      while (!given.isIdle()) given.turn();
    }
    assert.deepEqual(given.pauses, pauses);
  }
});

test('a flush that takes longer than is usual makes the pause hardly longer', () => {
  const given = createTestGateway({ flushSliceMs: 1_000, flushPacing: 0.5 });
  const clients = connectMany(given, 10);
  const publish = (): void => {
    given.gateway.hub.publish('public.a', Buffer.from('m'));
    while (!given.isIdle()) given.turn();
  };
  publish();
  const write = clients[0]!.write;
  clients[0]!.write = (chunk, taken) => {
    given.clock.pass(100);
    return write(chunk, taken);
  };
  publish();
  clients[0]!.write = write;
  publish();
  assert.deepEqual(given.pauses, [5, 10, 5]);
});

test('joining or leaving in the midst of a flush changes nothing for the others', () => {
  const given = createTestGateway({ flushSliceMs: 8 });
  const clients = connectMany(given, 24);
  given.gateway.hub.publish('public.a', Buffer.from('m'));
  given.turn();
  const late = given.connect();
  // One that has been served, and one that has not: it is sent its part before it goes elsewhere.
  clients.at(-1)!.send('{"type":"subscribe","channels":["public.b"]}');
  clients[0]!.send('{"type":"subscribe","channels":["public.b"]}');
  clients[1]!.end(1006);
  while (given.figures().flush.pendingMessages > 0) given.turn();
  assert.equal(heardCount(clients, 'm'), 23);
  for (const client of clients) assert.ok(client.received().filter((text) => text === 'm').length <= 1);
  assert.ok(!late.received().includes('m'));
  const first = clients[0]!.received();
  assert.ok(first.indexOf('m') < first.findIndex((text) => text.includes('subscribed')));
  assert.equal(given.figures().deliveries.matched, 23);
});

test('when more waits than may, the oldest is dropped and each client is told how much', () => {
  const given = createTestGateway({ pendingMax: roomFor(4.9, 198) });
  const [client, other] = [given.connect(), given.connect()];
  other.send('{"type":"subscribe","channels":["public.b"]}');
  for (let sent = 0; sent < 10; sent += 1) {
    given.gateway.hub.publish('public.a', Buffer.from(`${sent} ${'x'.repeat(196)}`));
    given.clock.pass(1);
  }
  assert.ok(given.figures().flush.pendingMessages <= 4);
  given.turn();
  const [gap, ...rest] = client.received().slice(1);
  const { dropped } = JSON.parse(gap!) as { dropped: number };
  assert.equal(dropped + rest.length, 10);
  assert.deepEqual(
    rest.map((text) => text.split(' ')[0]),
    ['6', '7', '8', '9'].slice(4 - rest.length),
  );
  assert.equal(given.figures().deliveries.dropped.overload, dropped);
  assert.equal(given.figures().gaps.overload, 1);
  assert.ok(
    !other.received().some((text) => text.includes('gap')),
    'a client that missed nothing is told nothing',
  );
  assert.equal(given.figures().ledgerDrift, 0);
});

test('over the bound a fiftieth of the room is made free', () => {
  const given = createTestGateway({ pendingMax: roomFor(100, 100) });
  given.connect();
  for (let sent = 0; sent < 101; sent += 1) {
    given.gateway.hub.publish('public.a', Buffer.alloc(100, 'x'));
    given.clock.pass(1);
  }
  assert.equal(given.figures().flush.pendingMessages, 98);
});

test('those whose messages were all dropped are told as soon as the flush gets to them', () => {
  const given = createTestGateway({ pendingMax: roomFor(4.9, 198) });
  const [quiet, quieter, busy] = [given.connect(), given.connect(), given.connect()];
  for (const client of [quiet, quieter]) client.send('{"type":"subscribe","channels":["public.quiet"]}');
  busy.send('{"type":"subscribe","channels":["public.busy"]}');
  const say = (subject: string): void => {
    given.gateway.hub.publish(subject, Buffer.alloc(196, 'x'));
    given.clock.pass(1);
  };
  say('public.quiet');
  say('public.quiet');
  for (let sent = 0; sent < 10; sent += 1) say('public.busy');
  while (given.figures().flush.pendingMessages > 0) given.turn();
  // Nothing is published for them any more, and they know all the same.
  for (const client of [quiet, quieter]) {
    assert.equal(client.received().at(-1), '{"type":"gap","reason":"overload","dropped":2}');
  }
  assert.equal(given.figures().gaps.overload, 3);
});

test('those who had had their turn before a drop are told in the same flush or the next', () => {
  const given = createTestGateway({ flushSliceMs: 8, pendingMax: roomFor(4.9, 198) });
  const quiet = connectMany(given, 24);
  for (const client of quiet) client.send('{"type":"subscribe","channels":["public.quiet"]}');
  given.connect().send('{"type":"subscribe","channels":["public.busy"]}');
  const say = (subject: string): void => {
    given.gateway.hub.publish(subject, Buffer.alloc(196, 'x'));
    given.clock.pass(1);
  };
  say('public.quiet');
  given.turn();
  // Some have the first by now. The second waits behind it, and is dropped for what others are sent.
  say('public.quiet');
  for (let sent = 0; sent < 10; sent += 1) say('public.busy');
  while (!given.isIdle()) given.turn();
  const gap = '{"type":"gap","reason":"overload","dropped":1}';
  const told = quiet.filter((client) => client.received().includes(gap));
  assert.equal(told.length, 24);
});

test('a drop in the midst of a flush counts for each member what it misses, and no more', () => {
  const given = createTestGateway({ flushSliceMs: 8, pendingMax: roomFor(4.9, 198) });
  const clients = connectMany(given, 24);
  const say = (number: number): void => {
    given.gateway.hub.publish('public.a', Buffer.from(`${number} ${'x'.repeat(196)}`));
    given.clock.pass(1);
  };
  say(1);
  given.turn();
  // The first is under way. Two more come, then somebody joins, then so many that the oldest waiting ones go.
  say(2);
  say(3);
  const [late] = connectMany(given, 1);
  for (let number = 4; number <= 9; number += 1) say(number);
  while (given.figures().flush.pendingMessages > 0) given.turn();
  const numbers = (client: FakeClient): number[] =>
    client
      .received()
      .slice(1)
      .filter((text) => !text.startsWith('{'))
      .map((text) => Number(text.split(' ')[0]));
  const missed = (client: FakeClient): number =>
    client
      .received()
      .filter((text) => text.startsWith('{"type":"gap"'))
      .reduce((sum, text) => sum + (JSON.parse(text) as { dropped: number }).dropped, 0);
  for (const client of clients) {
    assert.equal(numbers(client)[0], 1);
    assert.equal(numbers(client).length + missed(client), 9);
    assert.deepEqual(numbers(client).slice(1), numbers(late!));
  }
  assert.equal(numbers(late!).length + missed(late!), 6);
  assert.equal(given.figures().ledgerDrift, 0);
});

test('a drop in the midst of a flush is told behind what each is sent in it', () => {
  const given = createTestGateway({ flushSliceMs: 8, pendingMax: roomFor(4.9, 198) });
  const clients = connectMany(given, 24);
  const say = (number: number): void => {
    given.gateway.hub.publish('public.a', Buffer.from(`${number} `.padEnd(198, 'x')));
  };
  say(1);
  given.turn();
  for (let number = 2; number <= 10; number += 1) say(number);
  while (!given.isIdle()) given.turn();
  for (const client of clients) {
    const [first, second = '', ...rest] = client.received().slice(1);
    // Who fetches afresh when told would put what came before that over what it has fetched.
    assert.equal(first?.split(' ')[0], '1');
    assert.equal(second, `{"type":"gap","reason":"overload","dropped":${9 - rest.length}}`);
  }
  assert.equal(given.figures().gaps.overload, 24);
});

test('a late member is not passed over when what it never needed is dropped', () => {
  const given = createTestGateway({ flushSliceMs: 8, pendingMax: roomFor(4.9, 198) });
  connectMany(given, 24);
  const say = (number: number): void => {
    given.gateway.hub.publish('public.a', Buffer.from(`${number} ${'x'.repeat(196)}`));
    given.clock.pass(1);
  };
  say(1);
  given.turn();
  for (const number of [2, 3, 4]) say(number);
  const [late] = connectMany(given, 1);
  say(5);
  given.clock.pass(1);
  while (given.figures().flush.pendingMessages > 0) given.turn();
  assert.deepEqual(
    late!
      .received()
      .slice(1)
      .map((text) => text.split(' ')[0]),
    ['5'],
  );
  assert.ok(given.figures().deliveries.dropped.overload > 0);
});

test('the lag is the age of the oldest message that somebody still waits for', () => {
  const given = createTestGateway({ flushSliceMs: 8 });
  connectMany(given, 24);
  given.gateway.hub.publish('public.a', Buffer.from('m'));
  given.turn();
  assert.equal(given.figures().flush.lagSeconds, 0.008);
  while (given.figures().flush.pendingMessages > 0) given.turn();
  assert.equal(given.figures().flush.lagSeconds, 0);
});

test('what a socket still holds stays as it is while others are written to', () => {
  const { gateway, connect, turn } = createTestGateway({ bufferedMax: 2 ** 20 });
  const clients = [connect(), connect()];
  clients[0]!.room = 0;
  const published = Array.from({ length: 40 }, (_, number) => `${number} ${'x'.repeat(number)}`);
  for (const [number, text] of published.entries()) {
    gateway.hub.publish('public.a', Buffer.from(text));
    // Four to a flush, which are joined.
    if (number % 4 === 3) turn();
  }
  clients[0]!.drain(Number.MAX_SAFE_INTEGER);
  for (const client of clients) assert.deepEqual(client.received().slice(1), published);
});
