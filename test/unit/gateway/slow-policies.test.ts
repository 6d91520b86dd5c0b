import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FakeClient } from '../../support/fake-client.ts';
import { createTestGateway, roomFor, type TestGateway } from '../../support/test-gateway.ts';

const everything = Number.MAX_SAFE_INTEGER;

/** Publishes and flushes, one turn for each text. */
function publish({ gateway, turn }: TestGateway, subject: string, ...texts: string[]): void {
  for (const text of texts) {
    gateway.hub.publish(subject, Buffer.from(text));
    turn();
  }
}

function heardBy(client: FakeClient): string[] {
  return client.received().slice(1);
}

const wide = 'x'.repeat(400);

describe('policy drop', () => {
  test('skips the newest until everything has been taken, then tells how many', () => {
    const given = createTestGateway({ slowPolicy: 'drop', bufferedMax: 1_000 });
    const client = given.connect();
    client.stopTaking();
    publish(given, 'public.a', `1${wide}`, `2${wide}`, `3${wide}`, '4 would fit again', `5${wide}`);
    assert.equal(given.figures().deliveries.dropped.slow_consumer, 3);
    client.drain(everything);
    const gap = '{"type":"gap","reason":"slow","dropped":3}';
    assert.deepEqual(heardBy(client), [`1${wide}`, `2${wide}`, gap]);
    publish(given, 'public.a', 'after');
    assert.equal(heardBy(client).at(-1), 'after');
    client.stopTaking();
    publish(given, 'public.a', 'waits', 'waits too');
    client.drain(everything);
    assert.deepEqual(heardBy(client).slice(-2), ['waits', 'waits too']);
    assert.equal(client.closeCode, undefined);
    assert.equal(given.figures().gaps.slow, 1);
  });

  test('skips also when what waits is too old', () => {
    const given = createTestGateway({ slowPolicy: 'drop', bufferedAgeMaxMs: 1_000 });
    const client = given.connect();
    client.stopTaking();
    publish(given, 'public.a', '1');
    for (let sweep = 0; sweep < 5; sweep += 1) {
      given.clock.pass(250);
      given.gateway.sweep();
    }
    publish(given, 'public.a', '2');
    client.drain(everything);
    assert.deepEqual(heardBy(client), ['1', '{"type":"gap","reason":"slow","dropped":1}']);
  });

  test('gives up on a client that takes nothing at all', () => {
    const given = createTestGateway({ slowPolicy: 'drop' });
    const client = given.connect();
    client.stopTaking();
    publish(given, 'public.a', '1');
    for (let sweep = 0; sweep <= 141; sweep += 1) {
      given.clock.pass(250);
      given.gateway.sweep();
    }
    assert.equal(client.closeCode, 4409);
    assert.equal(given.figures().pingTimeouts, 1);
  });

  test('keeps a client that takes something now and then', () => {
    const given = createTestGateway({ slowPolicy: 'drop' });
    const client = given.connect();
    client.stopTaking();
    publish(given, 'public.a', `1${wide}`, `2${wide}`, `3${wide}`);
    for (let sweep = 0; sweep < 220; sweep += 1) {
      given.clock.pass(250);
      given.gateway.sweep();
      if (sweep % 100 === 0) client.drain(405);
    }
    assert.equal(client.closeCode, undefined);
  });
});

describe('policy conflate', () => {
  test('keeps the last message of each subject while the client is behind', () => {
    const given = createTestGateway({ slowPolicy: 'conflate' });
    const client = given.connect();
    client.stopTaking();
    publish(given, 'public.a', 'a1', 'a2');
    publish(given, 'public.b', 'b1');
    publish(given, 'public.a', 'a3', 'a4');
    assert.equal(given.figures().deliveries.queued, 3);
    client.drain(everything);
    assert.deepEqual(heardBy(client), ['a1', 'b1', 'a4']);
    const { matched, sent, queued, dropped } = given.figures().deliveries;
    assert.deepEqual([matched, sent, queued, dropped.conflated], [5, 3, 0, 2]);
  });

  test('is bounded: what does not fit is missed, and told', () => {
    const given = createTestGateway({ slowPolicy: 'conflate', bufferedMax: 1_000 });
    const client = given.connect();
    client.stopTaking();
    publish(given, 'public.a', `a${wide}`);
    publish(given, 'public.b', `b${wide}`);
    publish(given, 'public.c', `c${wide}`);
    publish(given, 'public.d', 'd');
    client.drain(everything);
    assert.deepEqual(heardBy(client), [
      `a${wide}`,
      `b${wide}`,
      '{"type":"gap","reason":"slow","dropped":1}',
      'd',
    ]);
  });

  test('an older value is never the last one heard: if the newest has no room, the older goes too', () => {
    const given = createTestGateway({ slowPolicy: 'conflate', bufferedMax: 1_000 });
    const client = given.connect();
    client.stopTaking();
    publish(given, 'public.a', `a${'x'.repeat(900)}`);
    publish(given, 'public.p', '1', '2', `3${wide}`);
    const { queued, dropped } = given.figures().deliveries;
    assert.deepEqual([queued, dropped.conflated, dropped.slow_consumer], [1, 2, 1]);
    publish(given, 'public.p', '4', '5');
    client.drain(everything);
    assert.deepEqual(heardBy(client).slice(1), ['{"type":"gap","reason":"slow","dropped":1}', '5']);
    assert.equal(given.figures().ledgerDrift, 0);
  });

  test('what was held before messages were dropped in an overload goes out before the word of that', () => {
    const given = createTestGateway({ slowPolicy: 'conflate', pendingMax: roomFor(1.9, 198) });
    const client = given.connect();
    client.stopTaking();
    const filled = (text: string): string => `${text} `.padEnd(198, 'x');
    publish(given, 'public.a', filled('0'), filled('a1'));
    for (const text of ['a2', 'a3']) given.gateway.hub.publish('public.a', Buffer.from(filled(text)));
    publish(given, 'public.b', filled('b1'));
    client.drain(everything);
    const heard = heardBy(client).map((text) => text.replace(/ x+$/, ''));
    // Were the word first, a client that fetched a3 for it would have a1 at the end.
    assert.deepEqual(heard, ['0', 'a1', '{"type":"gap","reason":"overload","dropped":2}', 'b1']);
    assert.equal(given.figures().ledgerDrift, 0);
  });

  test('what is held back is dropped when the client goes, and sent when we close', () => {
    const given = createTestGateway({ slowPolicy: 'conflate' });
    const [gone, asked] = [given.connect(), given.connect()];
    for (const client of [gone, asked]) client.stopTaking();
    publish(given, 'public.a', 'a1', 'a2');
    gone.end(1006);
    assert.equal(given.figures().deliveries.dropped.closed, 2);
    given.gateway.drain.begin();
    asked.drain(everything);
    assert.deepEqual(heardBy(asked), ['a1', 'a2']);
  });
});

test('under any policy a client that does not take our answers is closed', () => {
  for (const slowPolicy of ['disconnect', 'drop', 'conflate'] as const) {
    const given = createTestGateway({ slowPolicy, bufferedMax: 500 });
    const client = given.connect();
    client.stopTaking();
    for (let ping = 0; ping < 10; ping += 1) client.send('{"type":"ping","timestamp":1}');
    assert.equal(client.closeCode, 4408, slowPolicy);
  }
});

test('one answer may be larger than what may wait of them, for the client has asked for as much', () => {
  const given = createTestGateway({ bufferedMax: 2 ** 20, subscriptionsMax: 1_000, messageSizeMax: 2 ** 20 });
  const client = given.connect();
  // It is welcomed before.
  client.stopTaking();
  publish(given, 'public.a', 'waits');
  const channels = Array.from({ length: 500 }, (_, index) => `public.${'c'.repeat(200)}.${index}`);
  client.send(JSON.stringify({ type: 'subscribe', channels }));
  assert.equal(client.closeCode, undefined);
  client.send('{"type":"ping","timestamp":1}');
  assert.equal(client.closeCode, 4408);
});

test('fast clients notice nothing of a slow one', () => {
  for (const slowPolicy of ['disconnect', 'drop', 'conflate'] as const) {
    const given = createTestGateway({ slowPolicy, bufferedMax: 500 });
    const [slow, fast] = [given.connect(), given.connect()];
    slow.stopTaking();
    const texts = Array.from({ length: 20 }, (_, index) => `${index} ${wide}`);
    publish(given, 'public.a', ...texts);
    assert.deepEqual(heardBy(fast), texts, slowPolicy);
  }
});
