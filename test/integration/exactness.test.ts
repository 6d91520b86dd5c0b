/**
 * The account, proved against independent witnesses: what real clients received and sent, what a real
 * nats-server says of our connection, and what each exit shows. Connects, subscriptions, floods, resets and
 * slow readers come first; then everything falls quiet, and every figure must agree to the last digit.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect as connectNats, type NatsConnection } from '@nats-io/transport-node';
import type { Readings } from '../../src/reports/readings.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { parseExposition } from '../support/openmetrics.ts';
import { skipWithout } from '../support/real-part.ts';
import { startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient, connectRaw, upgradeRaw, type WsClient } from '../support/ws-client.ts';

type Row = {
  id: string;
  messages_sent: number;
  messages_recv: number;
  bytes_sent: number;
  bytes_recv: number;
};
type Enhanced = {
  connections: Record<string, number> & { connections: Row[] };
};

const counters = [
  'tidegauge.connection.opened',
  'tidegauge.connection.closed',
  'tidegauge.connection.peak',
  'tidegauge.messages',
  'tidegauge.io',
  'tidegauge.deliveries.matched',
  'tidegauge.deliveries.sent',
  'tidegauge.deliveries.dropped',
  'tidegauge.handshake.begun',
  'tidegauge.handshake.rejections',
  'tidegauge.control_frames',
  'messaging.client.consumed.messages',
];

/** I1, I2, I4: what holds at every collection; and I8 from one to the next. */
function checkInstant(now: Readings, before: Readings | undefined): void {
  const value = (name: string): number => now.sum(name) ?? assert.fail(`${name} is missing`);
  const active = value('tidegauge.connection.active');
  assert.equal(active, value('tidegauge.connection.opened') - value('tidegauge.connection.closed'));
  assert.equal(active, value('tidegauge.connection.state'));
  assert.equal(
    value('tidegauge.handshake.begun'),
    value('tidegauge.connection.opened') +
      value('tidegauge.handshake.rejections') +
      value('tidegauge.handshake.active'),
  );
  assert.equal(
    value('tidegauge.deliveries.matched'),
    value('tidegauge.deliveries.sent') +
      value('tidegauge.deliveries.queued') +
      value('tidegauge.deliveries.dropped'),
  );
  assert.equal(value('tidegauge.ledger.drift'), 0);
  for (const name of counters) {
    for (const point of now.points(name)) {
      assert.ok(point.value >= 0 && Number.isFinite(point.value), `${name} is ${point.value}`);
      const earlier = before?.value(name, point.attributes) ?? 0;
      assert.ok(point.value >= earlier, `${name} fell from ${earlier} to ${point.value}`);
    }
  }
}

describe('exactness, with a real nats-server', { skip: await skipWithout('nats-server') }, () => {
  test('clients, bus and exits agree after a storm', { timeout: 60_000 }, async () => {
    const nats = await startNatsServer();
    const service = await startTestService({
      NATS_URL: nats.url,
      TIDEGAUGE_ALLOWED_CHANNELS: 'public.>,private.>',
      TIDEGAUGE_MAX_BUFFERED_AGE: '500ms',
    });
    const publisher = await connectNats({ servers: nats.url });
    let before: Readings | undefined;
    const watch = setInterval(
      () =>
        void service.collect().then((now) => {
          checkInstant(now, before);
          before = now;
        }),
      20,
    );
    try {
      await service.ready();
      const clients = await storm(service, publisher);
      const received = 2 * FLOOD + SLOW_FLOOD;
      await until('everything has come in', async () => distinct(await service.collect()) === received);
      await until('the slow have gone', () => service.service.gateway.connections.size === clients.length);
      await quiet(service, clients);
      clearInterval(watch);
      const now = await service.collect();
      checkInstant(now, before);
      await checkBus(service, nats, received);
      await checkClients(service, clients, now);
      await checkExits(service, now);

      // The total does not shrink when those who made it leave.
      for (const { socket } of clients) socket.close(1000);
      await until('all have left', () => service.service.gateway.connections.size === 0);
      const after = await service.collect();
      checkInstant(after, now);
      for (const name of [
        'tidegauge.messages',
        'tidegauge.deliveries.sent',
        'tidegauge.deliveries.matched',
      ]) {
        assert.equal(after.sum(name), now.sum(name), name);
      }
      assert.equal(after.sum('tidegauge.deliveries.queued'), 0);
    } finally {
      clearInterval(watch);
      await publisher.close();
      await service.stop();
      await nats.stop();
    }
  });

  test('an outage of the bus costs each client one gap and nobody its connection', {
    timeout: 60_000,
  }, async () => {
    const nats = await startNatsServer();
    const service = await startTestService({
      NATS_URL: nats.url,
      TIDEGAUGE_ALLOWED_CHANNELS: 'public.>,private.>',
    });
    try {
      await service.ready();
      const clients = await Promise.all(Array.from({ length: 10 }, () => connectClient(service.wsUrl)));
      clients[0]!.send({ type: 'subscribe', channels: ['private.x'] });
      await clients[0]!.heard('subscribed');
      for (let outage = 1; outage <= 3; outage += 1) {
        await nats.kill();
        await until('the outage is seen', () => service.service.bus.state !== 'connected');
        assert.equal((await service.getJson('/health')).body['status' as never], 'degraded');
        await nats.restart();
        await until('the bus is back', () => service.service.bus.state === 'connected', {
          timeoutMs: 20_000,
        });
        const publisher = await connectNats({ servers: nats.url });
        await publisher.flush();
        publisher.publish('public.after', `after ${outage}`);
        publisher.publish('private.x', `private ${outage}`);
        await publisher.flush();
        await until('the channel lives again', () => clients[0]!.messages.at(-1) === `private ${outage}`);
        for (const client of clients.slice(1)) {
          await until('everybody hears', () => client.messages.at(-1) === `after ${outage}`);
          // Each is told of the outage before anything that has come after it.
          const gap = '{"type":"gap","reason":"bus","dropped":null}';
          const told = Array.from({ length: outage }, (_, index) => [gap, `after ${index + 1}`]).flat();
          assert.deepEqual(client.messages.slice(-told.length), told);
          assert.equal(client.messages.filter((text) => text === gap).length, outage);
        }
        await publisher.close();
      }
      const readings = await service.collect();
      assert.equal(readings.value('tidegauge.connection.active'), 10);
      assert.equal(readings.value('tidegauge.gaps', { 'tidegauge.gap.reason': 'bus' }), 30);
      assert.equal(readings.value('tidegauge.bus.gaps'), 3);
      assert.equal(readings.value('tidegauge.bus.reconnects'), 3);
      assert.equal(readings.sum('tidegauge.bus.disconnects'), 3);
      checkInstant(readings, undefined);
    } finally {
      await service.stop();
      await nats.stop();
    }
  });
});

const FLOOD = 3_000;
const SLOW_FLOOD = 60;

/** Everything that clients do to a gateway, in a few seconds. Answers with those who are still there. */
async function storm(service: TestService, publisher: NatsConnection): Promise<WsClient[]> {
  const clients = await Promise.all(Array.from({ length: 24 }, () => connectClient(service.wsUrl)));
  clients.forEach((client, index) => {
    if (index % 3 === 1)
      client.send({ type: 'subscribe', channels: ['public.a', 'public.*', `private.${index % 4}`] });
    if (index % 3 === 2) client.send({ type: 'subscribe', channels: ['private.>'] });
    if (index % 5 === 0) client.send('not json');
  });
  const resets = await Promise.all(Array.from({ length: 6 }, () => upgradeRaw(service.url)));
  flood(publisher);
  for (const socket of resets) socket.resetAndDestroy();
  for (const client of clients) client.send({ type: 'ping', timestamp: Date.now() });
  flood(publisher);
  await publisher.flush();
  // Refused and broken upgrades, and a few who leave.
  const stranger = await connectRaw(service.url);
  stranger.socket.end('GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  await stranger.ended;
  for (const client of clients.splice(0, 4)) client.socket.close(1000);
  // Three who do not read at all, and enough for them to notice it.
  const slow = await Promise.all([1, 2, 3].map(() => upgradeRaw(service.url)));
  for (const socket of slow) socket.pause();
  const big = Buffer.alloc(128 * 1024, 'b');
  const { gateway } = service.service;
  const reading = new Set(clients.map(({ id }) => id));
  for (let sent = 1; sent <= SLOW_FLOOD; sent += 1) {
    publisher.publish('public.big', big);
    await publisher.flush();
    // They share this process with the gateway, so they need time to read in.
    const isTaken = () => [...gateway.connections.congested].every(({ id }) => !reading.has(id));
    await until('those who read have taken it', isTaken, { everyMs: 1 });
  }
  await until('the slow are cut', () => service.service.gateway.ledger.closed.slow_consumer === 3, {
    timeoutMs: 20_000,
  });
  for (const socket of slow) socket.destroy();
  return clients;
}

function flood(publisher: NatsConnection): void {
  for (let sent = 0; sent < FLOOD; sent += 1) {
    publisher.publish(sent % 2 === 0 ? `public.${'abc'[sent % 3]}` : `private.${sent % 4}`, `{"n":${sent}}`);
  }
}

/** Resolves when every client has received as many messages as we have sent to it. */
async function quiet(service: TestService, clients: WsClient[]): Promise<void> {
  await until(
    'the clients have received everything',
    () => {
      const sent = new Map([...service.service.gateway.connections].map(({ id, counts }) => [id, counts]));
      return clients.every((client) => {
        const counts = sent.get(client.id)!;
        return (
          counts.queued === 0 &&
          counts.messagesSent === client.messages.length &&
          counts.messagesReceived === client.sent.messages
        );
      });
    },
    { timeoutMs: 20_000 },
  );
}

/** Messages that came in, each once: while a wider pattern takes the place of a narrower one there are copies too. */
function distinct(now: Readings): number {
  return (now.sum('messaging.client.consumed.messages') ?? 0) - (now.sum('tidegauge.bus.duplicates') ?? 0);
}

/** I5: what we counted from the bus is what nats-server says it sent us. */
async function checkBus(
  service: TestService,
  nats: Awaited<ReturnType<typeof startNatsServer>>,
  received: number,
): Promise<void> {
  const { counts } = service.service.bus;
  assert.equal(distinct(await service.collect()), received);
  const ours = (await nats.connz()).connections.find(({ name }) => name?.startsWith('tidegauge'));
  assert.equal(ours?.out_msgs, counts.messagesReceived);
  assert.equal(ours?.out_bytes, counts.bytesReceived);
}

/** I3, I6: each client's own count is ours, and the totals are the sums with those who have gone. */
async function checkClients(service: TestService, clients: WsClient[], now: Readings): Promise<void> {
  const { body } = (await service.getJson('/metrics/enhanced?limit=1000')) as unknown as { body: Enhanced };
  const rows = new Map(body.connections.connections.map((row) => [row.id, row]));
  assert.equal(rows.size, clients.length);
  for (const client of clients) {
    const { messages_sent, messages_recv, bytes_sent, bytes_recv } = rows.get(client.id)!;
    assert.deepEqual(
      { messages_sent, messages_recv, bytes_sent, bytes_recv },
      {
        messages_sent: client.messages.length,
        messages_recv: client.sent.messages,
        bytes_sent: client.payloadBytes,
        bytes_recv: client.sent.bytes,
      },
    );
  }
  const { ended } = service.service.gateway.ledger;
  const live = [...rows.values()].reduce((sum, row) => sum + row.messages_sent, 0);
  assert.equal(
    now.value('tidegauge.messages', { 'network.io.direction': 'transmit' }),
    ended.messagesSent + live,
  );
}

/** I10: the documents and the scrape show the same numbers. */
async function checkExits(service: TestService, now: Readings): Promise<void> {
  const { body: stats } = (await service.getJson('/stats')) as unknown as {
    body: Record<string, Record<string, number>>;
  };
  const { body: enhanced } = (await service.getJson('/metrics/enhanced?summary=1')) as unknown as {
    body: Enhanced;
  };
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const series = parseExposition(text);
  const scraped = (name: string, labels: Record<string, string> = {}): number | undefined =>
    series.find(
      (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    )?.value;
  const direction = (way: string) => ({ 'network.io.direction': way });
  const rows: [string, number | undefined, number | undefined, number | undefined][] = [
    [
      'active',
      now.value('tidegauge.connection.active'),
      enhanced.connections.active,
      scraped('tidegauge_connection_active'),
    ],
    [
      'total',
      now.value('tidegauge.connection.opened'),
      enhanced.connections.total,
      scraped('tidegauge_connection_opened_total'),
    ],
    [
      'peak',
      now.value('tidegauge.connection.peak'),
      enhanced.connections.peak,
      scraped('tidegauge_connection_peak'),
    ],
    [
      'sent',
      now.value('tidegauge.messages', direction('transmit')),
      enhanced.connections.messages_sent_total,
      scraped('tidegauge_messages_total', { network_io_direction: 'transmit' }),
    ],
    [
      'received',
      now.value('tidegauge.messages', direction('receive')),
      enhanced.connections.messages_recv_total,
      scraped('tidegauge_messages_total', { network_io_direction: 'receive' }),
    ],
    [
      'bytes sent',
      now.value('tidegauge.io', { ...direction('transmit'), 'tidegauge.io.layer': 'payload' }),
      enhanced.connections.bytes_sent_total,
      scraped('tidegauge_io_bytes_total', {
        network_io_direction: 'transmit',
        tidegauge_io_layer: 'payload',
      }),
    ],
    [
      'bus in',
      now.sum('messaging.client.consumed.messages'),
      stats.nats!.InMsgs,
      scraped('messaging_client_consumed_messages_total'),
    ],
  ];
  for (const [what, fromSnapshot, fromJson, fromScrape] of rows) {
    assert.equal(fromJson, fromSnapshot, `${what} in JSON`);
    assert.equal(fromScrape, fromSnapshot, `${what} on /metrics`);
  }
  assert.equal(stats.connections!.active, enhanced.connections.active);
  assert.equal(stats.hub!.connected_clients, enhanced.connections.active);
}
