/** Connections that are idle or there for too long: when, which comes first, and that not all go at once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endOfLife } from '../../../src/gateway/lifetime.ts';
import type { FakeClient } from '../../support/fake-client.ts';
import { createTestGateway, sweepFor } from '../../support/test-gateway.ts';

const answer = (client: FakeClient): void => {
  if (client.pings > client.pongs) client.events.pong();
};

describe('the end', () => {
  const life = { number: 0, openedAtMs: 1_000, lastMessageAtMs: 5_000, isCongested: false };
  const never = { ms: 0, atMs: Number.NEGATIVE_INFINITY };

  it('is the first of the two, and without a limit never', () => {
    assert.equal(endOfLife(life, { idleMaxMs: 0, ageMaxMs: 0 }, never), undefined);
    assert.deepEqual(endOfLife(life, { idleMaxMs: 100, ageMaxMs: 0 }, never), {
      atMs: 5_100,
      reason: 'idle',
    });
    assert.deepEqual(endOfLife(life, { idleMaxMs: 0, ageMaxMs: 100 }, never), {
      atMs: 1_100,
      reason: 'max_age',
    });
    assert.deepEqual(endOfLife(life, { idleMaxMs: 100, ageMaxMs: 5_000 }, never), {
      atMs: 5_100,
      reason: 'idle',
    });
    assert.deepEqual(endOfLife(life, { idleMaxMs: 100, ageMaxMs: 4_100 }, never), {
      atMs: 5_100,
      reason: 'max_age',
    });
  });

  it('is put off by our own standing still, for those who were there', () => {
    for (const [atMs, idleAtMs, oldAtMs] of [
      [500, 5_100, 1_100],
      [3_000, 5_100, 1_170],
      [6_000, 5_170, 1_170],
    ] as const) {
      const stall = { ms: 70, atMs };
      assert.equal(endOfLife(life, { idleMaxMs: 100, ageMaxMs: 0 }, stall)?.atMs, idleAtMs);
      assert.equal(endOfLife(life, { idleMaxMs: 0, ageMaxMs: 100 }, stall)?.atMs, oldAtMs);
    }
  });

  it('of those who came together is spread over the last tenth of the time', () => {
    const ends = Array.from({ length: 1_000 }, (_, index) => {
      return (
        endOfLife({ ...life, number: 7_000 + index }, { idleMaxMs: 0, ageMaxMs: 100_000 }, never)!.atMs -
        1_000
      );
    });
    assert.ok(Math.min(...ends) >= 90_000 && Math.max(...ends) <= 100_000);
    const perSecond = Array.from({ length: 10 }, (_, second) => {
      return ends.filter((ms) => Math.floor((ms - 90_000) / 1_000) === second).length;
    });
    for (const count of perSecond) assert.ok(count >= 95 && count <= 105, String(perSecond));
  });
});

describe('a gateway', () => {
  it('closes who is idle within a sweep of the time, and not who speaks or is spoken to', () => {
    const test = createTestGateway({ idleMaxMs: 60_000 });
    const [idle, speaker, listener] = [test.connect(), test.connect(), test.connect()];
    const clients = [idle, speaker, listener];
    speaker.send('{"type":"unsubscribe","channels":["public.>"]}');
    listener.send('{"type":"subscribe","channels":["public.b"]}');
    idle.send('{"type":"subscribe","channels":["private.a"]}');
    const closedAfterMs: number[] = [];
    const startMs = test.clock.nowMs;
    let turns = 0;
    sweepFor(test, 180_000, () => {
      for (const client of clients) answer(client);
      turns += 1;
      if (turns % 200 === 0) speaker.send('{"type":"heartbeat"}');
      if (turns % 200 === 100) {
        test.gateway.hub.publish('public.b', Buffer.from('x'));
        test.turn();
      }
      if (idle.closeCode !== undefined && closedAfterMs.length === 0)
        closedAfterMs.push(test.clock.nowMs - startMs);
    });
    assert.deepEqual(
      clients.map(({ closeCode }) => closeCode),
      [1000, undefined, undefined],
    );
    // Number 1 has six tenths of the last tenth off.
    assert.ok(closedAfterMs[0]! > 56_000 && closedAfterMs[0]! <= 57_000, String(closedAfterMs));
    idle.end(1000);
    assert.equal(test.figures().closed.idle, 1);
    assert.ok(
      clients.every(({ pings }) => pings >= 2),
      'and pings them meanwhile',
    );
  });

  it('closes who is old, whatever he says, and those who came together not together', () => {
    const test = createTestGateway({ ageMaxMs: 600_000 });
    const clients = Array.from({ length: 100 }, () => test.connect());
    const perSweep: number[] = [];
    let before = 0;
    sweepFor(test, 610_000, () => {
      for (const client of clients) if (client.closeCode === undefined) answer(client);
      const closed = clients.filter(({ closeCode }) => closeCode === 1012).length;
      perSweep.push(closed - before);
      before = closed;
    });
    assert.equal(before, 100);
    assert.ok(Math.max(...perSweep) <= 2, String(Math.max(...perSweep)));
    assert.equal(
      perSweep.slice(0, 2_150).reduce((sum, one) => sum + one, 0),
      0,
      'none before nine tenths of the time',
    );
    for (const client of clients) client.end(1012);
    assert.equal(test.figures().closed.max_age, 100);
  });

  it('does not take its own standing still for idleness or age, nor has all leave together behind it', () => {
    const test = createTestGateway({ idleMaxMs: 30_000 });
    const client = test.connect();
    sweepFor(test, 5_000);
    test.clock.pass(25_000);
    sweepFor(test, 20_000, () => answer(client));
    assert.equal(client.closeCode, undefined);
    sweepFor(test, 5_000, () => answer(client));
    assert.equal(client.closeCode, 1000);

    const many = createTestGateway({ ageMaxMs: 600_000 });
    const clients = Array.from({ length: 100 }, () => many.connect());
    many.clock.pass(650_000);
    many.gateway.sweep();
    assert.equal(clients.filter(({ closeCode }) => closeCode !== undefined).length, 0);
  });

  it('does not call idle who has not taken what he was sent, but is he old he goes', () => {
    for (const [settings, code] of [
      [{ idleMaxMs: 10_000 }, undefined],
      [{ ageMaxMs: 10_000 }, 1012],
      // Who would be idle first, were he not behind, is old in the end.
      [{ idleMaxMs: 5_000, ageMaxMs: 10_000 }, 1012],
    ] as const) {
      const test = createTestGateway({ ...settings, bufferedAgeMaxMs: 60_000 });
      const client = test.connect();
      client.stopTaking();
      test.gateway.hub.publish('public.a', Buffer.alloc(100));
      test.turn();
      sweepFor(test, 20_000);
      assert.equal(client.closeCode, code);
    }
  });
});
