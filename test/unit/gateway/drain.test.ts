/** Leaving on an injected clock: who is told what, who is closed when, and how it ends. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TICK_MS } from '../../../src/gateway/drain.ts';
import type { FakeClient } from '../../support/fake-client.ts';
import { createTestGateway, type TestGateway } from '../../support/test-gateway.ts';

/** Lets time pass, tick by tick, and calls back after each. */
function pass({ clock, timers }: TestGateway, ms: number, afterTick: () => void = () => {}): void {
  for (let passed = 0; passed < ms; passed += TICK_MS) {
    clock.pass(TICK_MS);
    for (const run of [...timers]) run();
    afterTick();
  }
}

function connectMany(given: TestGateway, count: number): FakeClient[] {
  return Array.from({ length: count }, () => given.connect());
}

/** Drains, with clients that answer at once. Answers with when each was closed, in milliseconds from the beginning. */
function closeTimes(given: TestGateway, clients: readonly FakeClient[], limitMs: number): number[] {
  const beganMs = given.clock.nowMs;
  const times = clients.map(() => Number.NaN);
  const answer = (): void =>
    clients.forEach((client, index) => {
      if (client.closeCode === undefined || client.hasEnded) return;
      times[index] = given.clock.nowMs - beganMs;
      client.end(client.closeCode);
    });
  given.gateway.drain.begin();
  answer();
  pass(given, limitMs, answer);
  return times;
}

const hintsOf = (client: FakeClient): number[] =>
  client
    .received()
    .filter((text) => text.startsWith('{"type":"reconnect"'))
    .map((text) => (JSON.parse(text) as { afterMs: number }).afterMs);

const isDone = async ({ gateway }: TestGateway): Promise<boolean> =>
  Promise.race([gateway.drain.done.then(() => true), Promise.resolve().then(() => false)]);

describe('the closes of a drain', () => {
  test('are spread evenly over the window', async () => {
    const given = createTestGateway({ drainWindowMs: 10_000 });
    const times = closeTimes(given, connectMany(given, 1_000), 10_000);
    const perSecond = Array.from(
      { length: 10 },
      (_, second) => times.filter((time) => time > second * 1_000 && time <= (second + 1) * 1_000).length,
    );
    assert.deepEqual(
      perSecond,
      Array.from({ length: 10 }, () => 100),
    );
    assert.equal(given.figures().closed.drain, 1_000);
    assert.ok(await isDone(given));
  });

  test('come at a steady pace whatever the window and however many there are, and each client has one', () => {
    const property = fc.property(
      fc.nat({ max: 200 }),
      fc.nat({ max: 30_000 }),
      fc.nat({ max: 3_000 }),
      (count, drainWindowMs, drainDelayMs) => {
        const given = createTestGateway({ drainWindowMs, drainDelayMs });
        const clients = connectMany(given, count);
        const times = closeTimes(given, clients, drainDelayMs + drainWindowMs + 2 * TICK_MS).toSorted(
          (one, other) => one - other,
        );
        const spreadMs = Math.min(drainWindowMs, count * 100);
        const firstMs = drainDelayMs + (count === 0 ? 0 : spreadMs / count);
        const perTick = Map.groupBy(times, (time) => time);
        for (const [index, time] of times.entries()) {
          // Never early, and late by two ticks at most: the one that begins, and the one that closes.
          const dueMs = firstMs + (spreadMs * index) / count;
          assert.ok(time >= dueMs - 1e-6 && time < dueMs + 2 * TICK_MS, `${index}: ${time}, due at ${dueMs}`);
        }
        const most = spreadMs === 0 ? count : Math.ceil((count * TICK_MS) / spreadMs) + 1;
        for (const [time, together] of perTick)
          assert.ok(together.length <= most, `${together.length} at ${time}`);
        for (const client of clients) assert.equal(client.closeCode, 1012);
        assert.equal(given.figures().active, 0);
        assert.equal(given.figures().ledgerDrift, 0);
        assert.equal(given.timers.size, 0);
      },
    );
    fc.assert(property, {
      numRuns: 100,
      examples: [
        [0, 10_000, 0],
        [1, 0, 0],
        [3, 10_000, 0],
        [200, 10, 1_000],
      ],
    });
  });

  test('are 100 ms apart at most, so that few clients do not keep the gateway', () => {
    const given = createTestGateway({ drainWindowMs: 10_000 });
    const times = closeTimes(given, connectMany(given, 3), 10_000);
    assert.deepEqual(times.toSorted(), [100, 200, 300]);
  });

  test('all come at once without a window', () => {
    const given = createTestGateway();
    assert.deepEqual(closeTimes(given, connectMany(given, 50), 0), Array(50).fill(0));
  });

  test('take clients from all over the table at any time', () => {
    let seed = 1;
    const random = (): number => {
      seed = (seed * 48_271) % 0x7fffffff;
      return seed / 0x7fffffff;
    };
    const given = createTestGateway({ drainWindowMs: 10_000 }, random);
    const times = closeTimes(given, connectMany(given, 1_000), 10_000);
    // Those that arrived in a tenth of the time, by the tenth of the window in which they are closed.
    for (let arrived = 0; arrived < 1_000; arrived += 100) {
      const tenths = times.slice(arrived, arrived + 100).map((time) => Math.ceil(time / 1_000));
      for (let tenth = 1; tenth <= 10; tenth += 1) {
        const share = tenths.filter((one) => one === tenth).length;
        assert.ok(share > 0 && share < 30, `${share} of the clients from ${arrived} on go in tenth ${tenth}`);
      }
    }
  });

  test('do not hold up anybody else for longer than a slice, and go on with the next tick', () => {
    const given = createTestGateway();
    const clients = connectMany(given, 20);
    for (const client of clients) {
      const close = client.close.bind(client);
      client.close = (code) => {
        given.clock.pass(3);
        close(code);
      };
    }
    given.gateway.drain.begin();
    const closed = (): number => clients.filter(({ closeCode }) => closeCode === 1012).length;
    const perTick = [closed()];
    pass(given, 6 * TICK_MS, () => perTick.push(closed()));
    assert.deepEqual(perTick, [3, 6, 9, 12, 15, 18, 20]);
  });
});

describe('the delay of a drain', () => {
  test('leaves everything as it was, but for readiness', async () => {
    const given = createTestGateway({ drainDelayMs: 5_000 });
    const early = given.connect();
    given.gateway.drain.begin();
    pass(given, 4_980);
    assert.equal(given.gateway.drain.isDraining, true);
    assert.equal(given.gateway.admission.isRefusing, false);
    // Who was sent here meanwhile is admitted, and leaves like the others.
    const late = given.connect();
    assert.equal(given.figures().drainRemaining, 2);
    given.gateway.hub.publish('public.a', Buffer.from('m'));
    given.turn();
    for (const client of [early, late]) {
      assert.equal(client.received().at(-1), 'm');
      assert.equal(client.closeCode, undefined);
    }
    pass(given, TICK_MS);
    assert.equal(given.gateway.admission.isRefusing, true);
    for (const client of [early, late]) assert.equal(client.closeCode, 1012);
  });

  test('is waited for also when nobody is connected, for somebody may come', async () => {
    const given = createTestGateway({ drainDelayMs: 1_000 });
    const client = given.connect();
    given.gateway.drain.begin();
    pass(given, 500);
    client.closeFromClient(1000);
    pass(given, 480);
    assert.equal(await isDone(given), false);
    pass(given, TICK_MS);
    assert.equal(await isDone(given), true);
    assert.equal(given.timers.size, 0);
  });
});

test('without a delay and without connections it is over at once', async () => {
  const given = createTestGateway({ drainWindowMs: 10_000 });
  given.gateway.drain.begin();
  assert.equal(await isDone(given), true);
  assert.equal(given.timers.size, 0);
});

test('one timer serves all connections, and beginning again changes nothing', () => {
  const given = createTestGateway({ drainWindowMs: 10_000 });
  const clients = connectMany(given, 100);
  given.gateway.drain.begin();
  pass(given, 1_000);
  given.gateway.drain.begin();
  assert.equal(given.timers.size, 1);
  assert.equal(clients.filter(({ closeCode }) => closeCode === 1012).length, 10);
  assert.equal(clients.flatMap(hintsOf).length, 100);
});

describe('a reconnect message', () => {
  test('tells each client nine tenths of the time that it has, once', () => {
    const given = createTestGateway({ drainWindowMs: 10_000 });
    const clients = connectMany(given, 100);
    given.gateway.drain.begin();
    const hints = clients.map(hintsOf);
    for (const hint of hints) assert.equal(hint.length, 1);
    const times = closeTimes(given, clients, 10_000);
    assert.deepEqual(
      hints.map(([afterMs]) => afterMs),
      times.map((time) => time * 0.9),
    );
  });

  test('is measured from the moment at which it is sent, and left out where its time has come', () => {
    const given = createTestGateway({ drainWindowMs: 200 });
    const clients = connectMany(given, 100);
    const sentAtMs = new Map<FakeClient, number>();
    for (const client of clients) {
      const write = client.write.bind(client);
      client.write = (chunk, taken) => {
        given.clock.pass(0.5);
        if (Buffer.from(chunk).includes('"reconnect"')) sentAtMs.set(client, given.clock.nowMs - 1_000.5);
        return write(chunk, taken);
      };
    }
    const times = closeTimes(given, clients, 1_000);
    let hinted = 0;
    clients.forEach((client, index) => {
      const [afterMs] = hintsOf(client);
      if (afterMs === undefined) return;
      hinted += 1;
      assert.ok(sentAtMs.get(client)! + afterMs <= times[index]!, 'it is closed before it was to reconnect');
    });
    assert.ok(hinted > 0 && hinted < 100, `${hinted} were told`);
    assert.equal(given.figures().closed.drain, 100);
  });

  test('counts as a message of ours, and no client is slow for it', () => {
    const given = createTestGateway({ drainWindowMs: 1_000, bufferedMax: 1_024 });
    const [fast, slow] = connectMany(given, 2);
    slow!.stopTaking();
    given.gateway.hub.publish('public.a', Buffer.alloc(1_020, 'x'));
    given.turn();
    const before = given.figures().messages.transmit;
    given.gateway.drain.begin();
    assert.equal(given.figures().messages.transmit, before + 1);
    assert.equal(hintsOf(fast!).length, 1);
    assert.equal(slow!.closeCode, undefined);
    slow!.drain(Number.MAX_SAFE_INTEGER);
    assert.deepEqual(hintsOf(slow!), []);
  });
});

describe('while others are being closed', () => {
  test('whoever is still connected hears everything, and is sent what waits before its own close', () => {
    const given = createTestGateway({ drainWindowMs: 1_000 });
    const clients = connectMany(given, 50);
    given.gateway.drain.begin();
    let published = 0;
    const expected = clients.map(() => 0);
    pass(given, 1_000, () => {
      clients.forEach((client, index) => {
        if (client.closeCode === undefined) expected[index] = published;
        else if (!client.hasEnded) client.end(1012);
      });
      // Not flushed before the next tick closes some of them.
      for (let more = 0; more < 3; more += 1) {
        published += 1;
        given.gateway.hub.publish('public.a', Buffer.from(`#${published}`));
      }
      if (published % 2 === 0) given.turn();
    });
    clients.forEach((client, index) => {
      const heard = client.received().filter((text) => text.startsWith('#'));
      assert.deepEqual(
        heard,
        Array.from({ length: heard.length }, (_, number) => `#${number + 1}`),
      );
      // What was published up to the tick that closed it; it was there for that of the tick before.
      assert.ok(heard.length >= expected[index]!);
    });
    const heard = clients.flatMap((client) =>
      client.received().filter((text) => text.startsWith('#')),
    ).length;
    const { matched, sent, queued } = given.figures().deliveries;
    assert.deepEqual([matched, sent, queued], [heard, heard, 0]);
  });

  test('a client that follows the hint ends as its own close says, and an empty gateway does not wait', async () => {
    const given = createTestGateway({ drainWindowMs: 10_000 });
    const clients = connectMany(given, 100);
    given.gateway.drain.begin();
    pass(given, 200);
    const [first, ...others] = clients.filter(({ closeCode }) => closeCode === undefined);
    first!.closeFromClient(1000);
    for (const client of others) client.closeFromClient(1001);
    for (const client of clients) client.end(1012);
    const { normal, going_away: goingAway, drain } = given.figures().closed;
    assert.deepEqual([normal, goingAway, drain], [1, 97, 2]);
    assert.equal(await isDone(given), true);
    assert.equal(given.timers.size, 0);
  });

  test('slow consumers are closed as such', () => {
    const given = createTestGateway({ drainWindowMs: 10_000, bufferedMax: 1_024 });
    const clients = connectMany(given, 100);
    given.gateway.drain.begin();
    pass(given, 1_000);
    const slow = clients.find(({ closeCode }) => closeCode === undefined)!;
    slow.stopTaking();
    for (let sent = 0; sent < 2; sent += 1) {
      given.gateway.hub.publish('public.a', Buffer.alloc(1_000, 'x'));
      given.turn();
    }
    assert.equal(slow.closeCode, 4408);
    pass(given, 10_000);
    slow.end(1006);
    assert.equal(given.figures().closed.slow_consumer, 1);
    assert.equal(given.figures().ledgerDrift, 0);
  });

  test('everybody learns of an outage of the bus', () => {
    const given = createTestGateway({ drainWindowMs: 1_000 });
    const clients = connectMany(given, 10);
    given.gateway.drain.begin();
    pass(given, 500);
    given.gateway.announceBusGap();
    for (const client of clients) {
      const isTold = client.received().at(-1) === '{"type":"gap","reason":"bus","dropped":null}';
      assert.equal(isTold, client.closeCode === undefined);
    }
  });
});

describe('a peer that does not answer its close frame', () => {
  test('is ended a second and a half after the last close', async () => {
    const given = createTestGateway({ drainWindowMs: 1_000 });
    const mute = connectMany(given, 10);
    given.gateway.drain.begin();
    pass(given, 1_000 + 1_480);
    assert.ok(mute.every(({ closeCode, isTerminated }) => closeCode === 1012 && !isTerminated));
    assert.equal(given.figures().drainRemaining, 10);
    pass(given, TICK_MS);
    assert.ok(mute.every(({ isTerminated }) => isTerminated));
    assert.equal(given.figures().closed.drain, 10);
    assert.equal(await isDone(given), true);
  });

  test('is not ended sooner because we ourselves stood still', () => {
    const given = createTestGateway();
    const client = given.connect();
    given.gateway.drain.begin();
    given.clock.pass(60_000);
    pass(given, TICK_MS);
    assert.equal(client.isTerminated, false);
  });
});

describe('hurrying', () => {
  test('closes at once whoever is left, whatever the drain was at, and waits half a second for answers', async () => {
    for (const beforeMs of [undefined, 500, 6_000, 20_000]) {
      const given = createTestGateway({ drainDelayMs: 1_000, drainWindowMs: 10_000 });
      const clients = connectMany(given, 100);
      if (beforeMs !== undefined) {
        given.gateway.drain.begin();
        pass(given, Math.min(beforeMs, 11_100));
      }
      given.gateway.drain.hurry();
      assert.ok(clients.every(({ closeCode, isTerminated }) => closeCode === 1012 && !isTerminated));
      const [answering, ...mute] = clients;
      answering!.end(1012);
      pass(given, 520);
      assert.ok(mute.every(({ isTerminated }) => isTerminated));
      assert.equal(answering!.isTerminated, false);
      assert.equal(await isDone(given), true);
      assert.equal(given.figures().closed.drain, 100);
    }
  });

  test('changes nothing when all have gone', async () => {
    const given = createTestGateway();
    given.gateway.drain.begin();
    given.gateway.drain.hurry();
    assert.equal(await isDone(given), true);
    assert.equal(given.timers.size, 0);
  });
});

test('terminating says goodbye and waits for nobody', async () => {
  for (const isBegun of [false, true]) {
    const given = createTestGateway({ drainDelayMs: 1_000, drainWindowMs: 10_000 });
    const clients = connectMany(given, 5);
    if (isBegun) given.gateway.drain.begin();
    given.gateway.drain.terminate();
    for (const client of clients) assert.deepEqual([client.closeCode, client.isTerminated], [1012, true]);
    assert.equal(await isDone(given), true);
    assert.equal(given.gateway.admission.isRefusing, true);
    assert.equal(given.timers.size, 0);
  }
});
