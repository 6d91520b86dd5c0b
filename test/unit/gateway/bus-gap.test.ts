/**
 * Where the word of an outage of the bus stands in what a client hears: behind everything from before the outage, and
 * before everything from after it. A client that fetches afresh at that word would else put old values over new ones.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { slowPolicies } from '../../../src/gateway/connection.ts';
import type { FakeClient } from '../../support/fake-client.ts';
import { createTestGateway, roomFor, type TestGateway } from '../../support/test-gateway.ts';

const everything = Number.MAX_SAFE_INTEGER;
const gap = '{"type":"gap","reason":"bus","dropped":null}';

function publish({ gateway }: TestGateway, ...texts: string[]): void {
  for (const text of texts) gateway.hub.publish('public.a', Buffer.from(text));
}

/** Publishes and flushes, one turn for each text: its first letter is its subject. */
function flush({ gateway, turn }: TestGateway, ...texts: string[]): void {
  for (const text of texts) {
    gateway.hub.publish(`public.${text[0]}`, Buffer.from(text));
    turn();
  }
}

function finish({ isIdle, turn }: TestGateway): void {
  while (!isIdle()) turn();
}

/** Without the welcome, and without what the messages are filled up with. */
function heardBy(client: FakeClient): string[] {
  return client
    .received()
    .slice(1)
    .map((text) => text.replace(/ x+$/, ''));
}

/** Clients of which each write takes a millisecond, so that a flush over many has several slices. */
function connectMany(given: TestGateway, count: number): FakeClient[] {
  return Array.from({ length: count }, () => {
    const client = given.connect();
    const write = client.write.bind(client);
    client.write = (chunk, taken) => {
      given.clock.pass(1);
      return write(chunk, taken);
    };
    return client;
  });
}

describe('a client for whom messages wait', () => {
  test('hears what came before an outage, then of the outage, then what came after it', () => {
    const given = createTestGateway();
    const client = given.connect();
    publish(given, 'before', 'also before');
    given.gateway.announceBusGap();
    assert.deepEqual(heardBy(client), [], 'nothing is written before its turn');
    publish(given, 'after');
    finish(given);
    assert.deepEqual(heardBy(client), ['before', 'also before', gap, 'after']);
    assert.equal(given.figures().gaps.bus, 1);
  });

  test('is told also when nothing comes after the outage', () => {
    const given = createTestGateway();
    const client = given.connect();
    publish(given, 'before');
    given.gateway.announceBusGap();
    finish(given);
    assert.deepEqual(heardBy(client), ['before', gap]);
  });

  test('is told of each outage at its place, and once of two with nothing between them', () => {
    const given = createTestGateway();
    const client = given.connect();
    for (const text of ['1', '2', '3']) {
      publish(given, text);
      given.gateway.announceBusGap();
    }
    given.gateway.announceBusGap();
    publish(given, '4');
    finish(given);
    assert.deepEqual(heardBy(client), ['1', gap, '2', gap, '3', gap, '4']);
    assert.equal(given.figures().gaps.bus, 3);
  });

  test('keeps the order when it changes its channels, and is told nothing twice', () => {
    const given = createTestGateway();
    const client = given.connect();
    publish(given, 'before');
    given.gateway.announceBusGap();
    publish(given, 'after');
    client.send('{"type":"subscribe","channels":["public.a"]}');
    publish(given, 'later');
    finish(given);
    const subscribed = '{"type":"subscribed","channels":["public.a"]}';
    assert.deepEqual(heardBy(client), ['before', gap, 'after', subscribed, 'later']);
  });

  test('hears nothing of an outage from before its time', () => {
    const given = createTestGateway();
    given.connect();
    publish(given, 'before');
    given.gateway.announceBusGap();
    const late = given.connect();
    publish(given, 'after');
    finish(given);
    assert.deepEqual(heardBy(late), ['after']);
  });
});

test('a client for whom nothing waits is told at once, whatever it listens to', () => {
  const given = createTestGateway();
  const [served, deaf, other] = [given.connect(), given.connect(), given.connect()];
  deaf.send('{"type":"subscribe","channels":["public.a"]}');
  deaf.send('{"type":"unsubscribe","channels":["public.a"]}');
  other.send('{"type":"subscribe","channels":["public.b"]}');
  flush(given, 'a');
  given.gateway.hub.publish('public.b', Buffer.from('waits'));
  // For one that listens to all of this, something waits.
  served.send('{"type":"subscribe","channels":["public.a"]}');
  given.gateway.announceBusGap();
  for (const client of [served, deaf]) assert.equal(heardBy(client).at(-1), gap);
  assert.ok(!heardBy(other).includes(gap));
  finish(given);
  assert.deepEqual(heardBy(other).slice(-2), ['waits', gap]);
  assert.equal(given.figures().gaps.bus, 3);
});

describe('an outage in the midst of a flush', () => {
  test('is told at once to those served already, and to the others behind their part', () => {
    const given = createTestGateway({ flushSliceMs: 8 });
    const clients = connectMany(given, 24);
    publish(given, 'before');
    given.turn();
    given.gateway.announceBusGap();
    const told = clients.filter((client) => heardBy(client).includes(gap)).length;
    assert.ok(told > 0 && told < 24, `${told} are told at once`);
    publish(given, 'after');
    finish(given);
    for (const client of clients) assert.deepEqual(heardBy(client), ['before', gap, 'after']);
    assert.equal(given.figures().gaps.bus, 24);
  });

  test('is told behind what has come in during the flush', () => {
    const given = createTestGateway({ flushSliceMs: 8 });
    const clients = connectMany(given, 24);
    publish(given, '1');
    given.turn();
    publish(given, '2');
    given.gateway.announceBusGap();
    publish(given, '3');
    finish(given);
    for (const client of clients) assert.deepEqual(heardBy(client), ['1', '2', gap, '3']);
  });

  test('is told to many in slices of time, as messages are', () => {
    const given = createTestGateway({ flushSliceMs: 8 });
    const clients = connectMany(given, 100);
    publish(given, 'before');
    const startedMs = given.clock.nowMs;
    given.gateway.announceBusGap();
    assert.equal(given.clock.nowMs, startedMs);
    let longestMs = 0;
    while (!given.isIdle()) {
      const sliceStartedMs = given.clock.nowMs;
      given.turn();
      longestMs = Math.max(longestMs, given.clock.nowMs - sliceStartedMs);
    }
    // Eight members lie between two looks at the clock, with two writes for each.
    assert.ok(longestMs <= 24, `a slice of ${longestMs} ms`);
    for (const client of clients) assert.deepEqual(heardBy(client), ['before', gap]);
  });
});

describe('where the oldest messages are dropped', () => {
  const filled = (number: number): string => `${number} `.padEnd(198, 'x');
  const overload = /^\{"type":"gap","reason":"overload","dropped":(\d+)\}$/;

  test('an outage among them is told before what is left', () => {
    const given = createTestGateway({ pendingMax: roomFor(4.9, 198) });
    const client = given.connect();
    publish(given, filled(1), filled(2));
    given.gateway.announceBusGap();
    for (let number = 3; number <= 10; number += 1) publish(given, filled(number));
    finish(given);
    const [first, second = '', ...rest] = heardBy(client);
    assert.equal(first, gap);
    assert.equal(Number(overload.exec(second)![1]) + rest.length, 10);
    assert.equal(rest.at(-1), '10');
    assert.equal(given.figures().gaps.bus, 1);
    assert.equal(given.figures().ledgerDrift, 0);
  });

  test('an outage among what is left keeps its place', () => {
    const given = createTestGateway({ pendingMax: roomFor(4.9, 198) });
    const client = given.connect();
    for (let number = 1; number <= 9; number += 1) publish(given, filled(number));
    given.gateway.announceBusGap();
    publish(given, filled(10));
    finish(given);
    assert.deepEqual(heardBy(client).slice(-3), ['9', gap, '10']);
    assert.equal(given.figures().gaps.bus, 1);
  });

  test('in the midst of a flush, each is told once, behind what it is sent in it', () => {
    const given = createTestGateway({ flushSliceMs: 8, pendingMax: roomFor(4.9, 198) });
    const clients = connectMany(given, 24);
    publish(given, filled(1));
    given.turn();
    publish(given, filled(2));
    const late = given.connect();
    given.gateway.announceBusGap();
    for (let number = 3; number <= 10; number += 1) publish(given, filled(number));
    finish(given);
    for (const client of clients) {
      const heard = heardBy(client).filter((text) => !overload.test(text));
      assert.deepEqual(heard.slice(0, 2), ['1', gap]);
      assert.equal(heard.lastIndexOf(gap), 1);
      assert.equal(heard.at(-1), '10');
    }
    assert.equal(heardBy(late).filter((text) => text === gap).length, 1);
    assert.equal(given.figures().gaps.bus, 25);
    assert.equal(given.figures().ledgerDrift, 0);
  });
});

describe('what was dropped in the midst of a flush, and an outage', () => {
  const told = (messages: number): string => `{"type":"gap","reason":"overload","dropped":${messages}}`;
  const cases: { what: string; sizes: number[]; outageAfter: number; heard: string[] }[] = [
    {
      what: 'behind it have a place each',
      sizes: [198, 198, 198, 198, 198],
      outageAfter: 4,
      heard: ['1', told(1), '3', '4', gap, '5'],
    },
    {
      what: 'that more is dropped around have one place',
      sizes: [198, 198, 198, 198, 198, 198, 198, 198, 198],
      outageAfter: 5,
      heard: ['1', gap, told(5), '7', '8', '9'],
    },
    {
      what: 'with nothing left between them have one place',
      sizes: [198, 2_000, 198],
      outageAfter: 2,
      heard: ['1', gap, told(1), '3'],
    },
  ];
  for (const { what, sizes, outageAfter, heard } of cases) {
    test(what, () => {
      const given = createTestGateway({ flushSliceMs: 8, pendingMax: roomFor(4.9, 198) });
      const clients = connectMany(given, 24);
      for (const [index, size] of sizes.entries()) {
        publish(given, `${index + 1} `.padEnd(size, 'x'));
        // The first is being written, and some have it.
        if (index === 0) given.turn();
        if (index + 1 === outageAfter) given.gateway.announceBusGap();
      }
      finish(given);
      for (const client of clients) assert.deepEqual(heardBy(client), heard);
      assert.equal(given.figures().gaps.bus, 24);
      assert.equal(given.figures().gaps.overload, 24);
      assert.equal(given.figures().ledgerDrift, 0);
    });
  }
});

describe('a congested client', () => {
  for (const slowPolicy of ['disconnect', 'drop'] as const) {
    test(`with the policy ${slowPolicy} is told behind what waits and before anything newer`, () => {
      const given = createTestGateway({ slowPolicy });
      const client = given.connect();
      client.stopTaking();
      flush(given, 'a before');
      publish(given, 'also before');
      given.gateway.announceBusGap();
      finish(given);
      flush(given, 'a after', 'a later');
      client.drain(everything);
      assert.deepEqual(heardBy(client), ['a before', 'also before', gap, 'a after', 'a later']);
      assert.equal(given.figures().gaps.bus, 1);
    });
  }

  test('with the policy drop is told before it is told what it has skipped', () => {
    const given = createTestGateway({ slowPolicy: 'drop', bufferedMax: 500 });
    const client = given.connect();
    client.stopTaking();
    const wide = 'x'.repeat(400);
    flush(given, `1 ${wide}`, `2 ${wide}`);
    for (const text of ['3', '4']) {
      given.gateway.announceBusGap();
      flush(given, text);
    }
    client.drain(everything);
    flush(given, '5');
    assert.deepEqual(heardBy(client), ['1', gap, '{"type":"gap","reason":"slow","dropped":3}', '5']);
    assert.equal(given.figures().gaps.bus, 1);
  });

  test('is not cut off for the room that the word takes', () => {
    for (const slowPolicy of slowPolicies) {
      const given = createTestGateway({ slowPolicy, bufferedMax: 500 });
      const client = given.connect();
      client.stopTaking();
      flush(given, `1 ${'x'.repeat(480)}`);
      for (let outage = 0; outage < 10; outage += 1) given.gateway.announceBusGap();
      flush(given, '2');
      client.drain(everything);
      assert.deepEqual(heardBy(client), ['1', gap, '2'], slowPolicy);
      assert.equal(client.closeCode, undefined);
    }
  });
});

describe('with the policy conflate', () => {
  test('what is held from before an outage goes out before the word, and what is held after it behind', () => {
    const given = createTestGateway({ slowPolicy: 'conflate' });
    const client = given.connect();
    client.stopTaking();
    flush(given, '0', 'a1', 'b1', 'a2');
    given.gateway.announceBusGap();
    flush(given, 'c1', 'c2');
    client.drain(everything);
    assert.deepEqual(heardBy(client), ['0', 'b1', 'a2', gap, 'c2']);
    const { matched, sent, queued, dropped } = given.figures().deliveries;
    assert.deepEqual([matched, sent, queued, dropped.conflated], [6, 4, 0, 2]);
    assert.equal(given.figures().gaps.bus, 1);
    assert.equal(given.figures().ledgerDrift, 0);
  });

  test('what still waits for the flush at an outage is held before the word', () => {
    const given = createTestGateway({ slowPolicy: 'conflate' });
    const client = given.connect();
    client.stopTaking();
    flush(given, '0');
    publish(given, 'before');
    given.gateway.announceBusGap();
    given.gateway.hub.publish('public.b', Buffer.from('after'));
    finish(given);
    client.drain(everything);
    assert.deepEqual(heardBy(client), ['0', 'before', gap, 'after']);
  });

  test('a newer message replaces one from before the outage', () => {
    const given = createTestGateway({ slowPolicy: 'conflate' });
    const client = given.connect();
    client.stopTaking();
    flush(given, '0', 'a1', 'b1');
    given.gateway.announceBusGap();
    flush(given, 'a2');
    client.drain(everything);
    assert.deepEqual(heardBy(client), ['0', 'b1', gap, 'a2']);
    const { sent, dropped } = given.figures().deliveries;
    assert.deepEqual([sent, dropped.conflated], [3, 1]);
  });

  test('of several outages the last parts what is held', () => {
    const given = createTestGateway({ slowPolicy: 'conflate' });
    const client = given.connect();
    client.stopTaking();
    flush(given, '0', 'a1');
    given.gateway.announceBusGap();
    flush(given, 'b1');
    given.gateway.announceBusGap();
    flush(given, 'c1');
    client.drain(everything);
    assert.deepEqual(heardBy(client), ['0', 'a1', 'b1', gap, 'c1']);
  });

  test('outages and overloads have a place each', () => {
    const given = createTestGateway({ slowPolicy: 'conflate', pendingMax: roomFor(1.9, 198) });
    const client = given.connect();
    client.stopTaking();
    flush(given, '0');
    given.gateway.announceBusGap();
    flush(given, 'a1');
    const filled = (text: string): string => `${text} `.padEnd(198, 'x');
    for (const text of ['b1', 'b2', 'c1'])
      given.gateway.hub.publish(`public.${text[0]}`, Buffer.from(filled(text)));
    finish(given);
    client.drain(everything);
    const overload = '{"type":"gap","reason":"overload","dropped":2}';
    assert.deepEqual(heardBy(client), ['0', gap, 'a1', overload, 'c1']);
    assert.equal(given.figures().ledgerDrift, 0);
  });

  test('the order holds where the kernel does not take what was held at once', () => {
    const given = createTestGateway({ slowPolicy: 'conflate' });
    const client = given.connect();
    client.stopTaking();
    flush(given, '0', 'a1');
    given.gateway.announceBusGap();
    flush(given, 'b1');
    // Enough for what the socket holds, and not for what is released then.
    client.drain(3);
    flush(given, 'b2');
    client.drain(everything);
    assert.deepEqual(heardBy(client), ['0', 'a1', gap, 'b1', 'b2']);
    assert.equal(given.figures().ledgerDrift, 0);
  });

  test('what is held is bounded, from before and after an outage together', () => {
    const given = createTestGateway({ slowPolicy: 'conflate', bufferedMax: 1_000 });
    const client = given.connect();
    client.stopTaking();
    const wide = 'x'.repeat(400);
    flush(given, '0', `a1 ${wide}`);
    given.gateway.announceBusGap();
    flush(given, `b1 ${wide}`, `c1 ${wide}`);
    assert.ok(given.figures().sendQueue.bytes <= 1_000);
    // One from before the outage goes for a newer one that has no room.
    flush(given, `a2 ${'x'.repeat(900)}`);
    client.drain(everything);
    assert.deepEqual(heardBy(client), ['0', gap, 'b1', '{"type":"gap","reason":"slow","dropped":2}']);
    assert.equal(given.figures().sendQueue.bytes, 0);
    assert.equal(given.figures().ledgerDrift, 0);
  });
});

describe('during a drain', () => {
  test('a client is told before it is closed, at the place of the outage', () => {
    const given = createTestGateway();
    const client = given.connect();
    publish(given, 'before');
    given.gateway.announceBusGap();
    publish(given, 'after');
    given.gateway.drain.begin();
    assert.deepEqual(heardBy(client), ['before', gap, 'after']);
    assert.equal(client.closeCode, 1012);
  });

  test('a congested client is told, at the place of the outage', () => {
    for (const slowPolicy of slowPolicies) {
      const given = createTestGateway({ slowPolicy });
      const client = given.connect();
      client.stopTaking();
      flush(given, '0', 'a before');
      given.gateway.announceBusGap();
      if (slowPolicy === 'conflate') flush(given, 'b after');
      given.gateway.drain.begin();
      client.drain(everything);
      const after = slowPolicy === 'conflate' ? ['b after'] : [];
      assert.deepEqual(heardBy(client), ['0', 'a before', gap, ...after], slowPolicy);
      assert.equal(client.closeCode, 1012);
      client.end(1012);
      assert.equal(given.figures().gaps.bus, 1);
      assert.equal(given.figures().ledgerDrift, 0);
    }
  });
});
