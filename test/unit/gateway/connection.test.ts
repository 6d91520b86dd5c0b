import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GatewayFigures } from '../../../src/telemetry/figures.ts';
import { createTestGateway } from '../../support/test-gateway.ts';

const payload = (bytes: number): Buffer => Buffer.alloc(bytes, 'p');

/** Matched, sent, queued, dropped as slow, dropped at the end. */
function account({ deliveries: { matched, sent, queued, dropped } }: GatewayFigures): number[] {
  return [matched, sent, queued, dropped.slow_consumer, dropped.closed];
}

describe('a connection', () => {
  test('counts a delivery as sent when the kernel has taken it, not before', () => {
    const { gateway, connect, turn, figures } = createTestGateway();
    const client = connect();
    client.room = 0;
    gateway.hub.publish('public.a', payload(100));
    turn();
    assert.deepEqual(account(figures()), [1, 0, 1, 0, 0]);
    assert.equal(figures().states.congested, 1);
    assert.equal(figures().sendQueue.bytes, 102);
    client.drain(102);
    assert.deepEqual(account(figures()), [1, 1, 0, 0, 0]);
    assert.equal(figures().states.open, 1);
  });

  test('is listed as congested while something waits for it, and no longer', () => {
    const { gateway, connect, turn, figures } = createTestGateway();
    const clients = [connect(), connect()];
    for (const client of clients) client.stopTaking();
    gateway.hub.publish('public.a', payload(100));
    turn();
    assert.deepEqual(figures().sendQueue, { bytes: 204, largestBytes: 102, connections: 2 });
    clients[0]!.drain(102);
    assert.deepEqual(figures().sendQueue, { bytes: 102, largestBytes: 102, connections: 1 });
    clients[1]!.end(1006);
    assert.deepEqual(figures().sendQueue, { bytes: 0, largestBytes: 0, connections: 0 });
  });

  test('leaves the peak as it was when it ends', () => {
    const { connect, figures } = createTestGateway();
    const clients = [connect(), connect(), connect()];
    for (const client of clients) client.end(1000);
    assert.deepEqual([figures().active, figures().peak], [0, 3]);
    connect();
    assert.deepEqual([figures().active, figures().peak], [1, 3]);
  });

  test('that would exceed its bound is closed with 4408, and what waits is dropped with it', () => {
    const { gateway, connect, turn, figures } = createTestGateway({ bufferedMax: 250 });
    const client = connect();
    client.room = 0;
    for (let sent = 0; sent < 3; sent += 1) {
      gateway.hub.publish('public.a', payload(100));
      turn();
    }
    assert.equal(client.closeCode, 4408);
    assert.deepEqual(account(figures()), [3, 0, 2, 1, 0]);
    client.end(1006);
    assert.deepEqual(account(figures()), [3, 0, 0, 1, 2]);
    assert.equal(figures().closed.slow_consumer, 1);
  });

  test('takes one message into an empty queue, whatever its size', () => {
    const { gateway, connect, turn, figures } = createTestGateway({ bufferedMax: 1_024 });
    const client = connect();
    client.room = 0;
    gateway.hub.publish('public.a', payload(5_000));
    turn();
    assert.equal(client.closeCode, undefined);
    assert.equal(figures().deliveries.queued, 1);
  });

  test('does not count a write that failed at once', () => {
    const { gateway, connect, turn, figures } = createTestGateway();
    const client = connect();
    client.errored = new Error('EPIPE');
    gateway.hub.publish('public.a', payload(10));
    turn();
    assert.equal(figures().deliveries.sent, 0);
    client.end(1006);
    assert.equal(figures().deliveries.dropped.closed, 1);
    assert.equal(figures().closed.no_close_frame, 1);
  });

  test('counts on the wire all that was taken before a write failed, and nothing of that write', () => {
    for (const fail of ['data', 'control'] as const) {
      const { gateway, connect, turn, figures } = createTestGateway();
      const client = connect();
      gateway.hub.publish('public.a', payload(1_000));
      turn();
      client.errored = new Error('EPIPE');
      if (fail === 'data') gateway.hub.publish('public.a', payload(10));
      else client.events.ping(payload(10));
      turn();
      client.end(1006);
      assert.equal(figures().wireBytes.transmit, client.bytesTaken, fail);
      assert.ok(client.bytesTaken > 1_000);
    }
  });

  test('keeps the first cause of its end', () => {
    const { gateway, connect, figures } = createTestGateway();
    const client = connect();
    gateway.drain.begin();
    client.events.violated('protocol_error');
    client.end(1006);
    assert.equal(figures().closed.drain, 1);
    assert.equal(figures().closed.protocol_error + figures().closed.no_close_frame, 0);
  });

  test('is told what waits for it before a polite close', () => {
    const { gateway, connect } = createTestGateway();
    const client = connect();
    gateway.hub.publish('public.a', Buffer.from('last words'));
    gateway.drain.begin();
    assert.equal(client.received().at(-1), 'last words');
    assert.equal(client.closeCode, 1012);
  });

  test('gets no data after a close frame of either side', () => {
    const { gateway, connect, turn, figures } = createTestGateway();
    const client = connect();
    client.readyState = 2;
    gateway.hub.publish('public.a', payload(10));
    turn();
    assert.equal(client.received().length, 1);
    assert.equal(figures().deliveries.matched, 0);
  });

  test('answers the last ping of several once it is no longer congested', () => {
    const { gateway, connect, turn, figures } = createTestGateway();
    const client = connect();
    client.room = 0;
    gateway.hub.publish('public.a', payload(10));
    turn();
    for (let ping = 0; ping < 100; ping += 1) client.events.ping(Buffer.from([ping]));
    assert.equal(client.pongs, 0);
    client.drain(1_000);
    assert.equal(client.pongs, 1);
    const frames = figures().controlFrames;
    assert.equal(frames.receive.ping, 100);
    assert.equal(frames.transmit.pong, 1);
  });

  test('is sent one pong until the kernel takes it, however many pings come', () => {
    const { connect, figures } = createTestGateway();
    const client = connect();
    client.room = 0;
    for (let ping = 0; ping < 100; ping += 1) client.events.ping(Buffer.alloc(125));
    assert.equal(client.pongs, 1);
    assert.deepEqual(figures().sendQueue, { bytes: 127, largestBytes: 127, connections: 1 });
    client.drain(127);
    assert.equal(client.pongs, 2);
    client.drain(127);
    assert.equal(figures().states.open, 1);
    assert.equal(figures().wireBytes.transmit, client.bytesTaken);
    assert.equal(figures().controlFrames.transmit.pong, 2);
  });

  test('shows as closing from the moment its client has begun to leave', () => {
    const { gateway, connect, turn, clock, figures } = createTestGateway();
    // One whose close frame is being answered, and one whose socket has ended before it has taken all, which the next
    // sweep finds. (Where nothing waits, the end of the connection follows in the same turn.)
    connect().events.closeFrame(() => {});
    const ending = connect(0);
    gateway.hub.publish('public.a', payload(100));
    turn();
    ending.readyState = 2;
    assert.deepEqual(figures().states, { open: 0, congested: 1, closing: 1 });
    clock.pass(250);
    gateway.sweep();
    assert.deepEqual(figures().states, { open: 0, congested: 0, closing: 2 });
    assert.equal(figures().closesInProgress, 2);
    ending.end(1006);
    assert.deepEqual(figures().states, { open: 0, congested: 0, closing: 1 });
  });

  test('is closed with 1003 when it sends binary data', () => {
    const { connect, figures } = createTestGateway();
    const client = connect();
    client.events.message(Buffer.from('{}'), true);
    assert.equal(client.closeCode, 1003);
    client.end(1003);
    assert.equal(figures().closed.protocol_error, 1);
    assert.equal(figures().messages.receive, 1);
  });

  test('hands its counts over when it ends, so that the audit finds each total in the ended and the live', () => {
    const { gateway, connect, turn, figures } = createTestGateway();
    const [leaving, staying] = [connect(), connect()];
    staying.room = 0;
    gateway.hub.publish('public.a', payload(100));
    turn();
    leaving.send('{"type":"ping","timestamp":1}');
    leaving.closeFromClient(1000);
    assert.equal(gateway.audit(), 0);
    assert.equal(gateway.ledger.ended.messagesReceived, 1);
    gateway.ledger.counts.matched += 1;
    assert.equal(gateway.audit(), 1);
    // Both the audit and the sum that no longer holds.
    assert.equal(figures().ledgerDrift, 2);
  });
});
