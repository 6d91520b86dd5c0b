/** Ready means that whoever comes hears everything: the broker has answered after it was sent our subscriptions. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { startTestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';

/** It answers each log-in, and nothing after that until it is told to: no real one can be held up just there. */
async function startHesitantBroker() {
  const links = new Set<Socket>();
  let unanswered: Socket[] = [];
  const server = createServer((socket) => {
    links.add(socket);
    socket.on('error', () => undefined);
    socket.write('INFO {"server_id":"a","version":"2.10.0","max_payload":1048576}\r\n');
    let isLoggedIn = false;
    socket.setEncoding('latin1').on('data', (text: string) => {
      for (const _ of text.matchAll(/PING\r\n/g)) {
        if (isLoggedIn) unanswered.push(socket);
        else socket.write('PONG\r\n');
        isLoggedIn = true;
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    isAsked: () => unanswered.length > 0,
    answer: () => {
      for (const socket of unanswered) if (!socket.destroyed) socket.write('PONG\r\n');
      unanswered = [];
    },
    breakLinks: () => {
      unanswered = [];
      for (const socket of links) socket.destroy();
      links.clear();
    },
    stop: () => void server.close(),
  };
}

test('neither after the start nor after an outage before the broker has answered', async () => {
  const broker = await startHesitantBroker();
  const gateway = await startTestService({ NATS_URL: broker.url, TIDEGAUGE_READY_BUS_GRACE: '0s' });
  const { bus } = gateway.service;
  const readiness = async () => {
    const { status, body } = await gateway.getJson('/readyz');
    return [status, (body as { reasons?: string[] }).reasons ?? []];
  };
  const isHeldUp = () => bus.state === 'connected' && broker.isAsked();
  try {
    await until('the link is there', isHeldUp);
    assert.deepEqual(await readiness(), [503, ['starting']]);
    broker.answer();
    await gateway.ready();
    assert.deepEqual((await readiness())[0], 200);
    broker.breakLinks();
    await until('the link is gone', () => bus.state !== 'connected');
    await until('there is a new one', isHeldUp);
    assert.deepEqual(await readiness(), [503, ['bus']]);
    broker.answer();
    await gateway.ready();
  } finally {
    broker.breakLinks();
    await gateway.stop();
    broker.stop();
  }
});
