/**
 * The limits, at the limit: what is just inside passes, what is just outside is refused with its own reason and
 * counted, whoever is within all limits notices nothing, and a delay of our own is held against nobody.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { startGateway } from '../support/gateway-process.ts';
import { parseExposition } from '../support/openmetrics.ts';
import { startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { startWatchedService } from '../support/watched-service.ts';
import { connectClient, connectRaw, handshake, upgradeRaw } from '../support/ws-client.ts';

const calm = { starting: false, draining: false, bus: false, capacity: false };

describe('TIDEGAUGE_MAX_MESSAGE_SIZE', () => {
  for (const size of [64, 125, 126, 65_535, 65_536]) {
    test(`takes a message of ${size} bytes when it is ${size}, and none of ${size + 1}`, async () => {
      const service = await startWatchedService({ TIDEGAUGE_MAX_MESSAGE_SIZE: `${size}B` });
      try {
        const changes = await service.changesDuring(async () => {
          const client = await connectClient(service.wsUrl);
          const message = '{"type":"ping","timestamp":1}'.padEnd(size, ' ');
          client.send(message);
          await client.heard('pong');
          client.send(`${message} `);
          assert.equal((await client.closed).code, 1009);
        });
        assert.deepEqual(changes, { 'closed message_too_big': 1 });
        // What was refused was not received: it is on the wire, and in no message.
        assert.equal(
          (await service.collect()).value('tidegauge.messages', { 'network.io.direction': 'receive' }),
          1,
        );
        await service.checkUnharmed();
      } finally {
        await service.stop();
      }
    });
  }
});

describe('TIDEGAUGE_MAX_SUBSCRIPTIONS', () => {
  test('counts different channels, all of a message or none', async () => {
    const service = await startTestService({ TIDEGAUGE_MAX_SUBSCRIPTIONS: '3' });
    try {
      const client = await connectClient(service.wsUrl);
      const steps: [type: string, channels: string[], answer: string, subscriptions: number][] = [
        ['subscribe', ['public.a', 'public.b', 'public.c', 'public.d'], 'too_many_subscriptions', 1],
        ['subscribe', ['public.a', 'public.b', 'public.a'], 'subscribed', 2],
        ['subscribe', ['public.b', 'public.c'], 'subscribed', 3],
        ['subscribe', ['public.a', 'public.d'], 'too_many_subscriptions', 3],
        ['unsubscribe', ['public.b', 'public.never'], 'unsubscribed', 2],
        ['subscribe', ['public.d'], 'subscribed', 3],
        ['unsubscribe', ['public.a', 'public.c', 'public.d'], 'unsubscribed', 0],
      ];
      for (const [index, [type, channels, answer, subscriptions]] of steps.entries()) {
        client.send({ type, channels });
        await until('the answer', () => client.messages.length === index + 2);
        assert.ok(client.messages.at(-1)!.includes(`"${answer}"`), `${answer} to step ${index}`);
        const readings = await service.collect();
        assert.equal(readings.value('tidegauge.subscription.active'), subscriptions);
      }
    } finally {
      await service.stop();
    }
  });
});

describe('TIDEGAUGE_MAX_CONNECTIONS', () => {
  test('is exact when half as many again dial in at once, and a place that is left is taken again', async () => {
    const limit = 200;
    const service = await startTestService({ TIDEGAUGE_MAX_CONNECTIONS: `${limit}` });
    const port = Number(new URL(service.url).port);
    try {
      const dialled = await Promise.all(Array.from({ length: 1.5 * limit }, () => connectRaw(service.url)));
      for (const { socket } of dialled) socket.write(handshake(port));
      const answered = (): number[] => dialled.map(({ text }) => Number(text().slice(9, 12)));
      await until('all are answered', () => answered().every((status) => status > 0));
      assert.equal(answered().filter((status) => status === 101).length, limit);
      const refused = dialled.filter((_, index) => answered()[index] === 503);
      assert.equal(refused.length, limit / 2);
      for (const { text, ended } of refused) {
        await ended;
        assert.match(text(), /^Retry-After: (?:[1-9]|10)\r$/m);
      }
      const { gateway } = service.service;
      const admitted = dialled.filter((_, index) => answered()[index] === 101);
      for (const { socket } of admitted.slice(0, 10)) socket.resetAndDestroy();
      await until('ten have gone', () => gateway.connections.size === limit - 10);
      const again = await Promise.allSettled(Array.from({ length: 20 }, () => connectClient(service.wsUrl)));
      assert.equal(again.filter(({ status }) => status === 'fulfilled').length, 10);
      const readings = await service.collect();
      assert.equal(readings.value('tidegauge.connection.peak'), limit);
      assert.equal(readings.value('tidegauge.connection.opened'), limit + 10);
      assert.equal(
        readings.value('tidegauge.handshake.rejections', { 'error.type': 'capacity' }),
        limit / 2 + 10,
      );
      assert.equal(readings.value('tidegauge.ledger.drift'), 0);
      for (const { socket } of admitted) socket.destroy();
    } finally {
      await service.stop();
    }
  });
});

describe('slow readers', () => {
  const BOUND = 512 * 1024;
  const PAYLOAD = 1_024;

  /** Publishes numbered messages as fast as those who read can take them in this process, until told to stop. */
  async function publishUntil(
    service: TestService,
    reading: Set<string>,
    isOver: () => boolean,
  ): Promise<number> {
    const { gateway } = service.service;
    let published = 0;
    while (!isOver()) {
      for (let message = 0; message < 50; message += 1, published += 1) {
        gateway.hub.publish('public.a', Buffer.from(`${published} `.padEnd(PAYLOAD, 'x')));
      }
      const areTaken = () => [...gateway.connections.congested].every(({ id }) => !reading.has(id));
      do await new Promise((resolve) => setImmediate(resolve));
      while (!areTaken());
    }
    return published;
  }

  test('one in eight at full rate: they are cut, and the others get everything in order', async () => {
    const service = await startTestService({ TIDEGAUGE_MAX_BUFFERED: `${BOUND}B` });
    const { gateway } = service.service;
    try {
      const fast = await Promise.all(Array.from({ length: 14 }, () => connectClient(service.wsUrl)));
      const slow = await Promise.all([1, 2].map(() => upgradeRaw(service.url)));
      for (const socket of slow) socket.pause();
      let largest = 0;
      const published = await publishUntil(service, new Set(fast.map(({ id }) => id)), () => {
        const { sendQueue, closed } = gateway.figures(calm);
        largest = Math.max(largest, sendQueue.largestBytes);
        return closed.slow_consumer === 2;
      });
      // The close frame waits behind the rest, so it is the one thing that may be over the bound.
      assert.ok(largest > BOUND / 2 && largest <= BOUND + 64, `${largest} bytes waited`);
      for (const client of fast) {
        await until('all of it', () => client.messages.length === published + 1);
        const numbers = client.messages.slice(1).map((text) => Number(text.split(' ', 1)[0]));
        assert.ok(numbers.every((number, index) => number === index));
      }
      const readings = await service.collect();
      const dropped = readings.sum('tidegauge.deliveries.dropped')!;
      assert.ok(dropped > 0);
      const sent = readings.value('tidegauge.deliveries.sent')!;
      assert.equal(readings.value('tidegauge.deliveries.matched'), sent + dropped);
      assert.ok(sent >= 14 * published);
      assert.equal(readings.value('tidegauge.send_queue.usage'), 0);
      assert.equal(readings.value('tidegauge.send_queue.congested'), 0);
      assert.equal(readings.value('tidegauge.connection.active'), 14);
      assert.equal(readings.value('tidegauge.ledger.drift'), 0);
      for (const socket of slow) socket.destroy();
    } finally {
      await service.stop();
    }
  });

  test('one that reads again in time is told that it was closed as slow, with 4408', async () => {
    const service = await startTestService({ TIDEGAUGE_MAX_BUFFERED: `${BOUND}B` });
    const { gateway } = service.service;
    try {
      const client = await connectClient(service.wsUrl);
      client.socket.pause();
      await publishUntil(service, new Set(), () => gateway.figures(calm).states.closing === 1);
      client.socket.resume();
      assert.deepEqual(await client.closed, { code: 4408, reason: 'slow_consumer' });
      await until('it is counted', () => gateway.ledger.closed.slow_consumer === 1);
      // A clean close: it has received exactly what is counted as sent.
      assert.equal((await service.collect()).value('tidegauge.deliveries.sent'), client.messages.length - 1);
      assert.equal(gateway.ledger.controlFrames.receive.close, 1);
    } finally {
      await service.stop();
    }
  });

  test('one that has taken nothing for TIDEGAUGE_MAX_BUFFERED_AGE is gone within a second after it', async () => {
    const service = await startTestService({
      TIDEGAUGE_MAX_BUFFERED: '64MiB',
      TIDEGAUGE_MAX_BUFFERED_AGE: '500ms',
    });
    const { gateway } = service.service;
    try {
      const socket = await upgradeRaw(service.url);
      socket.pause();
      await publishUntil(service, new Set(), () => gateway.connections.congested.size === 1);
      const congestedAtMs = performance.now();
      await until('it is gone', () => gateway.connections.size === 0);
      const tookMs = performance.now() - congestedAtMs;
      assert.ok(tookMs >= 500 && tookMs < 1_500 + TIMING_SLACK_MS, `it took ${tookMs} ms`);
      assert.equal(gateway.ledger.closed.slow_consumer, 1);
      socket.destroy();
    } finally {
      await service.stop();
    }
  });
});

/** This machine may be busy with other tests. */
const TIMING_SLACK_MS = 1_000;

describe('pings', () => {
  test('find a client that has gone silent, and spare those that answer', async () => {
    const service = await startWatchedService({
      TIDEGAUGE_PING_INTERVAL: '400ms',
      TIDEGAUGE_PONG_TIMEOUT: '300ms',
    });
    try {
      const { ledger } = service.service.gateway;
      const openedAtMs = performance.now();
      const changes = await service.changesDuring(async () => {
        const socket = await upgradeRaw(service.url);
        await until('it is found', () => ledger.pingTimeouts === 1, { everyMs: 5 });
        socket.destroy();
      });
      const tookMs = performance.now() - openedAtMs;
      assert.deepEqual(changes, { 'closed ping_timeout': 1 });
      assert.ok(tookMs >= 700 && tookMs < 700 + 2 * 250 + TIMING_SLACK_MS, `it took ${tookMs} ms`);
      await service.checkUnharmed();
    } finally {
      await service.stop();
    }
  });

  test('cut nobody off when it was the gateway that stood still', { timeout: 60_000 }, async () => {
    const gateway = await startGateway({ TIDEGAUGE_PING_INTERVAL: '2s', TIDEGAUGE_PONG_TIMEOUT: '2s' });
    const figure = async (name: string): Promise<number> => {
      const series = parseExposition(await (await fetch(`${gateway.url}/metrics`)).text());
      return series.filter((one) => one.name === name).reduce((sum, { value }) => sum + value, 0);
    };
    try {
      const dialled = Array.from({ length: 200 }, () => connectClient(gateway.wsUrl, { autoPong: false }));
      const clients = await Promise.all(dialled);
      // Every client has a ping to answer when the gateway stops, and has answered long before it goes on.
      const pinged = clients.map(({ socket }) => once(socket, 'ping'));
      await Promise.all(pinged);
      await gateway.child.freeze();
      for (const { socket } of clients) {
        socket.pong();
        socket.on('ping', () => socket.pong());
      }
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      gateway.child.thaw();
      const areAnswered = async () => (await figure('tidegauge_ping_duration_seconds_count')) >= 600;
      await until('each has answered two more', areAnswered);
      assert.equal(await figure('tidegauge_connection_active'), 200);
      assert.equal(await figure('tidegauge_connection_closed_total'), 0);
      assert.equal(await figure('tidegauge_ping_timeouts_total'), 0);
      for (const { socket } of clients) assert.equal(socket.readyState, 1);
    } finally {
      await gateway.stop();
    }
  });
});
