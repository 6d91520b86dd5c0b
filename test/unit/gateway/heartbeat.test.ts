import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestGateway, sweepFor } from '../../support/test-gateway.ts';

test('a connection is pinged each interval, and the round trip is recorded', () => {
  const gateway = createTestGateway();
  const client = gateway.connect();
  sweepFor(gateway, 24_750);
  assert.equal(client.pings, 0);
  sweepFor(gateway, 250);
  assert.equal(client.pings, 1);
  gateway.clock.nowMs += 40;
  client.events.pong();
  assert.deepEqual(gateway.recorded.pingRoundTrip, [[0.04]]);
  sweepFor(gateway, 25_000);
  assert.equal(client.pings, 2);
});

test('clients who come together are pinged at different times, within the interval', () => {
  let drawn = 0;
  const gateway = createTestGateway({}, () => {
    drawn += 1;
    return (drawn % 100) / 100;
  });
  const clients = Array.from({ length: 100 }, () => gateway.connect());
  const pingsPerSweep: number[] = [];
  let before = 0;
  for (let passed = 0; passed < 25_000; passed += 250) {
    sweepFor(gateway, 250);
    const pings = clients.reduce((sum, client) => sum + client.pings, 0);
    pingsPerSweep.push(pings - before);
    before = pings;
  }
  assert.ok(clients.every(({ pings }) => pings === 1));
  assert.ok(Math.max(...pingsPerSweep) <= 3, String(pingsPerSweep));
});

test('each of many is pinged once in an interval, and overdue pongs are found, within a sweep of its time', () => {
  const gateway = createTestGateway();
  const clients = Array.from({ length: 5_000 }, () => gateway.connect());
  const pings = () => [...new Set(clients.map((client) => client.pings))];
  sweepFor(gateway, 24_750);
  assert.deepEqual(pings(), [0]);
  sweepFor(gateway, 250);
  assert.deepEqual(pings(), [1]);
  const [silent, ...lively] = clients;
  for (const client of lively) client.events.pong();
  sweepFor(gateway, 10_000);
  assert.equal(silent!.closeCode, undefined);
  sweepFor(gateway, 250);
  assert.equal(silent!.closeCode, 4409);
  sweepFor(gateway, 14_500);
  assert.deepEqual([...new Set(lively.map((client) => client.pings))], [1]);
  sweepFor(gateway, 250);
  assert.deepEqual([...new Set(lively.map((client) => client.pings))], [2]);
});

test('with a pong timeout longer than the interval, a ping waits for the answer to the last one, and no longer', () => {
  const gateway = createTestGateway({ pingIntervalMs: 1_000, pongTimeoutMs: 10_000 });
  const client = gateway.connect();
  sweepFor(gateway, 5_000);
  assert.equal(client.pings, 1);
  client.events.pong();
  sweepFor(gateway, 250);
  assert.equal(client.pings, 2);
  client.events.pong();
  sweepFor(gateway, 750);
  assert.equal(client.pings, 2);
  sweepFor(gateway, 250);
  assert.equal(client.pings, 3);
  sweepFor(gateway, 10_000);
  assert.equal(client.closeCode, undefined);
  sweepFor(gateway, 250);
  assert.equal(client.closeCode, 4409);
});

test('who was congested is pinged an interval after it moved last, though a pong was awaited for longer', () => {
  const gateway = createTestGateway({ pingIntervalMs: 1_000, pongTimeoutMs: 10_000 });
  const client = gateway.connect();
  sweepFor(gateway, 1_000);
  assert.equal(client.pings, 1);
  client.room = 0;
  gateway.gateway.hub.publish('public.a', Buffer.from('x'));
  gateway.gateway.hub.publish('public.a', Buffer.from('y'));
  gateway.turn();
  gateway.gateway.hub.publish('public.a', Buffer.from('z'));
  gateway.turn();
  client.drain(6);
  sweepFor(gateway, 250);
  client.drain(1_000);
  sweepFor(gateway, 750);
  assert.equal(client.pings, 1);
  sweepFor(gateway, 500);
  assert.equal(client.pings, 2);
});

test('nobody is looked at while nothing is due, and who has left is not kept', () => {
  const gateway = createTestGateway();
  const clients = Array.from({ length: 100 }, () => gateway.connect());
  const slots = new Set([...gateway.gateway.connections].map(({ heartbeatSlot }) => heartbeatSlot));
  let looks = 0;
  for (const client of clients) {
    let { readyState } = client;
    Object.defineProperty(client, 'readyState', {
      get() {
        looks += 1;
        return readyState;
      },
      set(state: number) {
        readyState = state;
      },
    });
  }
  sweepFor(gateway, 24_750);
  assert.equal(looks, 0);
  for (const client of clients) client.end(1000);
  for (const slot of slots) assert.equal(slot?.size, 0);
});

test('the sweep rests while nothing is due, and is back before anything is', () => {
  const gateway = createTestGateway();
  const swept: number[] = [];
  const sweepFor = (ms: number): void => {
    const { clock } = gateway;
    for (const endMs = clock.nowMs + ms; clock.nowMs < endMs; ) {
      gateway.clock.nowMs += gateway.gateway.sweepIntervalMs;
      gateway.gateway.sweep();
      swept.push(clock.nowMs);
    }
  };
  const client = gateway.connect();
  sweepFor(20_000);
  assert.equal(swept.length, 20);
  sweepFor(5_000);
  assert.equal(client.pings, 1);
  assert.equal(gateway.clock.nowMs, 26_000);
  client.room = 0;
  gateway.gateway.hub.publish('public.a', Buffer.from('x'));
  gateway.turn();
  swept.length = 0;
  sweepFor(10_000);
  assert.equal(swept.length, 40, 'one is congested');
  assert.equal(client.closeCode, undefined);
  sweepFor(250);
  assert.equal(client.closeCode, 4408);
  const hasty = createTestGateway({ pingIntervalMs: 100, pongTimeoutMs: 5_000 });
  assert.equal(hasty.gateway.sweepIntervalMs, 100);
  const strict = createTestGateway({ bufferedAgeMaxMs: 500 });
  assert.equal(strict.gateway.sweepIntervalMs, 250, 'somebody may become congested at any time');
});

test('short deadlines are met within a sweep, however many there are', () => {
  const gateway = createTestGateway({ pingIntervalMs: 1_000, pongTimeoutMs: 1_000 });
  const clients = Array.from({ length: 2_000 }, () => gateway.connect());
  sweepFor(gateway, 1_000);
  assert.deepEqual([...new Set(clients.map(({ pings }) => pings))], [1]);
});

test('those who leave as soon as they are pinged are gone, and no other is missed', () => {
  const gateway = createTestGateway();
  const clients = Array.from({ length: 5_000 }, () => gateway.connect());
  for (const client of clients)
    client.ping = () => {
      client.pings += 1;
      client.end(1000);
    };
  sweepFor(gateway, 25_000);
  assert.ok(clients.every(({ pings }) => pings === 1));
  assert.equal(gateway.figures().active, 0);
});

test('a congested one among many is looked at in every sweep', () => {
  const gateway = createTestGateway();
  const clients = Array.from({ length: 5_000 }, () => gateway.connect());
  const slow = clients[4_999]!;
  slow.room = 0;
  gateway.gateway.hub.publish('public.a', Buffer.from('x'));
  gateway.turn();
  sweepFor(gateway, 10_000);
  assert.equal(slow.closeCode, undefined);
  sweepFor(gateway, 250);
  assert.equal(slow.closeCode, 4408);
});

test('a connection whose pong is overdue is closed with 4409', () => {
  const gateway = createTestGateway();
  const client = gateway.connect();
  sweepFor(gateway, 25_000 + 10_000);
  assert.equal(client.closeCode, undefined);
  sweepFor(gateway, 250);
  assert.equal(client.closeCode, 4409);
  assert.equal(gateway.figures().pingTimeouts, 1);
  sweepFor(gateway, 20_000);
  assert.equal(gateway.figures().pingTimeouts, 1);
});

test('a pong that nobody asked for is counted and changes nothing', () => {
  const gateway = createTestGateway();
  const client = gateway.connect();
  client.events.pong();
  assert.equal(gateway.figures().controlFrames.receive.pong, 1);
  assert.deepEqual(gateway.recorded.pingRoundTrip, []);
});

test('our own stall is not held against a client', () => {
  const gateway = createTestGateway();
  const client = gateway.connect();
  sweepFor(gateway, 25_000);
  gateway.clock.nowMs += 60_000;
  gateway.gateway.sweep();
  sweepFor(gateway, 9_500);
  assert.equal(client.closeCode, undefined);
  sweepFor(gateway, 1_000);
  assert.equal(client.closeCode, 4409);
});

test('a connection with data older than the bound is closed as a slow consumer, not for its pong', () => {
  const gateway = createTestGateway();
  const client = gateway.connect();
  sweepFor(gateway, 25_000);
  client.room = 0;
  gateway.gateway.hub.publish('public.a', Buffer.from('x'));
  gateway.turn();
  sweepFor(gateway, 10_000);
  assert.equal(client.closeCode, undefined);
  sweepFor(gateway, 250);
  assert.equal(client.closeCode, 4408);
});

test('a slow consumer that does not go when told is ended half a second later', () => {
  const gateway = createTestGateway();
  const client = gateway.connect();
  client.room = 0;
  gateway.gateway.hub.publish('public.a', Buffer.from('x'));
  gateway.turn();
  sweepFor(gateway, 10_250);
  assert.equal(client.closeCode, 4408);
  sweepFor(gateway, 250);
  assert.equal(client.isTerminated, false);
  sweepFor(gateway, 250);
  assert.equal(client.isTerminated, true);
  assert.equal(gateway.figures().closed.slow_consumer, 1);
});

test('a client that is leaving is not blamed for a pong that it does not send any more', () => {
  const gateway = createTestGateway();
  const client = gateway.connect();
  sweepFor(gateway, 25_000);
  client.readyState = 2;
  sweepFor(gateway, 20_000);
  assert.equal(gateway.figures().pingTimeouts, 0);
  client.end(1000);
  assert.equal(gateway.figures().closed.normal, 1);
});

test('a stall does not age what waits', () => {
  const gateway = createTestGateway();
  const client = gateway.connect();
  client.room = 0;
  gateway.gateway.hub.publish('public.a', Buffer.from('x'));
  gateway.turn();
  gateway.clock.nowMs += 60_000;
  gateway.gateway.sweep();
  assert.equal(client.closeCode, undefined);
});
