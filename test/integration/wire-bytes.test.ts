/**
 * Wire bytes against the kernel: with an empty queue, what the gateway says that it has sent on a connection is
 * what the peer's TCP has acknowledged, and what it says that it has received is what the kernel has received;
 * handshake, frame headers, control frames and all. The client's own socket is the second witness.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { kernelSocket, requireSs } from '../support/kernel-socket.ts';
import { startTestService, type TestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient } from '../support/ws-client.ts';

async function wireBytes(service: TestService): Promise<{ sent: number; received: number }> {
  const readings = await service.collect();
  const value = (direction: string): number =>
    readings.value('tidegauge.io', { 'network.io.direction': direction, 'tidegauge.io.layer': 'wire' })!;
  return { sent: value('transmit'), received: value('receive') };
}

test('wire bytes are what the kernel has seen', { timeout: 60_000 }, async (t) => {
  if (!(await requireSs(t))) return;
  const service = await startTestService({
    TIDEGAUGE_MAX_BUFFERED: '64MiB',
    TIDEGAUGE_PING_INTERVAL: '100ms',
  });
  const { gateway, bus } = service.service;
  const serverPort = Number(new URL(service.url).port);
  const accepted = once(service.service.httpServers[0]!, 'connection') as Promise<[Socket]>;
  const client = await connectClient(service.wsUrl, { autoPong: false });
  const [{ remotePort }] = await accepted;
  const tcp = (client.socket as unknown as { _socket: Socket })._socket;

  /** Once everything has been acknowledged, all three agree. */
  async function check(what: string): Promise<{ sent: number; received: number }> {
    return await until(`agreement after ${what}`, async () => {
      const before = await wireBytes(service);
      const kernel = await kernelSocket(serverPort, remotePort!);
      const ours = await wireBytes(service);
      // A ping may have gone out while the kernel was asked.
      if (kernel.unacked > 0 || ours.sent !== before.sent || ours.received !== before.received)
        return undefined;
      assert.deepEqual(ours, { sent: kernel.bytesAcked, received: kernel.bytesReceived });
      assert.deepEqual(ours, { sent: tcp.bytesRead, received: tcp.bytesWritten });
      return ours;
    });
  }

  try {
    let last = await check('the handshake');
    assert.ok(last.sent > 300 && last.received > 150);

    for (const size of [0, 1, 125, 126, 65_535, 65_536, 300_000]) {
      bus.publish('public.a', Buffer.alloc(size, 'x'));
      await until('it is heard', () => client.messages.at(-1)?.length === size);
      const now = await check(`a message of ${size} bytes`);
      assert.ok(now.sent >= last.sent + size + 2);
      last = now;
    }

    const heard = client.messages.length;
    for (let message = 0; message < 5_000; message += 1) bus.publish('public.a', Buffer.from(`${message}`));
    await until('the batch is heard', () => client.messages.length === heard + 5_000);
    await check('five thousand small ones in one turn');

    for (let ping = 0; ping < 50; ping += 1) client.socket.ping(`${ping}`);
    client.send({ type: 'subscribe', channels: ['public.a'] });
    client.send('nonsense');
    await client.heard('error');
    await check('pings, and messages of its own');

    client.socket.pause();
    const { queued } = await until('the kernel takes no more', () => {
      bus.publish('public.a', Buffer.alloc(256 * 1024, 'y'));
      const calm = { starting: false, draining: false, bus: false, capacity: false };
      const { deliveries } = gateway.figures(calm);
      return deliveries.queued > 3 && deliveries;
    });
    const held = await wireBytes(service);
    const kernel = await kernelSocket(serverPort, remotePort!);
    assert.ok(queued > 0);
    assert.ok(kernel.bytesAcked <= held.sent, 'nothing can be acknowledged that was not sent');
    client.socket.resume();
    await until('all is taken', () => gateway.connections.congested.size === 0);
    await check('a queue that has emptied');
  } finally {
    client.socket.terminate();
    await service.stop();
  }
});
