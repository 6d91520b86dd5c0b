/** The clients of the cluster tests notice what they are there to notice: each harm is done to them once. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';
import { RoamingClients } from '../../support/roaming-clients.ts';
import { until } from '../../support/until.ts';

type Harbour = {
  clients: RoamingClients;
  sockets: Set<WebSocket>;
  /** Sends the next number to everybody, but not to the socket left out. */
  publish(leftOut?: WebSocket): void;
  published(): number;
  /** Answers of that kind to upgrades that come next; afterwards they succeed again. */
  refuse(status: 503 | 500, times: number): void;
};

async function createHarbour(t: TestContext, { count = 4, heedless = 0 } = {}): Promise<Harbour> {
  let next = 0;
  let refusals: number[] = [];
  const sockets = new Set<WebSocket>();
  const server: Server = createServer();
  const endpoint = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const status = refusals.shift();
    if (status !== undefined) {
      socket.end(`HTTP/1.1 ${status} No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    endpoint.handleUpgrade(request, socket, head, (client) => {
      sockets.add(client);
      client.once('close', () => sockets.delete(client));
      client.send(JSON.stringify({ type: 'connectionEstablished' }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.terminate();
    server.close();
  });
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
  const clients = await RoamingClients.connect({
    url,
    count,
    nextNumber: () => next,
    lateMessages: 1,
    heedless,
  });
  return {
    clients,
    sockets,
    publish(leftOut) {
      for (const socket of sockets) if (socket !== leftOut) socket.send(JSON.stringify({ number: next }));
      next += 1;
    },
    published: () => next,
    refuse: (status, times) => {
      refusals = Array.from({ length: times }, () => status);
    },
  };
}

describe('roaming clients', () => {
  it('miss nothing and complain of nothing where all is well', async (t) => {
    const { clients, publish, published } = await createHarbour(t);
    for (let count = 0; count < 5; count += 1) publish();
    await clients.heardAll(4);
    await clients.settled();
    assert.deepEqual([clients.missed(published()), clients.faults, clients.moves], [[], [], []]);
    await clients.close();
    assert.deepEqual([...clients.closeCodes], [[1000, 4]]);
  });

  it('say which number one of them has missed', async (t) => {
    const { clients, sockets, publish, published } = await createHarbour(t);
    publish();
    publish([...sockets][2]);
    publish();
    await clients.heardAll(2);
    assert.deepEqual(
      clients.missed(published()).map(({ numbers }) => numbers),
      [[1]],
    );
  });

  it('move at a hint without missing anything, the new connection first', async (t) => {
    const { clients, sockets, publish, published } = await createHarbour(t);
    const old = [...sockets];
    for (const socket of old) socket.send(JSON.stringify({ type: 'reconnect', afterMs: 50 }));
    await until('all have left', () => {
      publish();
      return old.every((socket) => socket.readyState === socket.CLOSED);
    });
    await clients.settled();
    publish();
    await clients.heardAll(published() - 1);
    assert.deepEqual([clients.missed(published()), clients.faults], [[], []]);
    assert.equal(clients.moves.length, 4);
    assert.ok(clients.moves.every(({ afterMs, leftAtMs }) => afterMs === 50 && leftAtMs !== undefined));
    assert.deepEqual([...clients.closeCodes], [[1000, 4]]);
  });

  it('come back after 1012 when they pay no heed to hints, and are asked for nothing in between', async (t) => {
    const { clients, sockets, publish, published, refuse } = await createHarbour(t, { heedless: 4 });
    publish();
    // Each comes back at a moment of its own choice, the first perhaps before the last has left: not before we say so.
    refuse(503, 1_000);
    for (const socket of sockets) {
      socket.send(JSON.stringify({ type: 'reconnect', afterMs: 0 }));
      socket.close(1012);
    }
    await until('nobody is there', () => sockets.size === 0);
    publish();
    refuse(503, 0);
    await clients.settled();
    publish();
    await clients.heardAll(published() - 1);
    assert.deepEqual([clients.missed(published()), clients.faults], [[], []]);
    assert.deepEqual([...clients.closeCodes], [[1012, 4]]);
  });

  it('complain of a connection that is cut, of any other close, and of a dial that fails', async (t) => {
    const { clients, sockets, refuse } = await createHarbour(t, { count: 3 });
    const [cut, closed, restarted] = [...sockets] as [WebSocket, WebSocket, WebSocket];
    cut.terminate();
    closed.close(1011);
    refuse(500, 1);
    restarted.close(1012);
    await until('all three complain', () => clients.faults.length === 3);
    assert.deepEqual(clients.faults.map(({ what }) => what).sort(), [
      'closed with 1006',
      'closed with 1011',
      'dial: answered with 500',
    ]);
  });

  it('take a 503 that says when to come back for an answer, and come back', async (t) => {
    const { clients, sockets, refuse } = await createHarbour(t, { count: 1 });
    refuse(503, 2);
    [...sockets][0]!.close(1012);
    await until('it has been refused twice', () => clients.politelyRefused === 2);
    await clients.settled();
    assert.deepEqual(clients.faults, []);
  });
});
