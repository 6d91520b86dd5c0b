/**
 * A message was refused when it came in more than 256 pieces, whatever TIDEGAUGE_MAX_MESSAGE_SIZE allowed: a
 * megabyte from a real network, whose packets hold some 1,400 bytes, was cut off as an attack.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { close, closeCodeIn, framesIn, text } from '../support/frames.ts';
import { until } from '../support/until.ts';
import { startWatchedService } from '../support/watched-service.ts';
import { connectRaw, handshake } from '../support/ws-client.ts';

test('a message of the greatest size may come in packets of 1,400 bytes', async () => {
  const size = 1024 * 1024;
  const service = await startWatchedService({ TIDEGAUGE_MAX_MESSAGE_SIZE: '1MiB' });
  try {
    const accepted = once(service.service.httpServers[0]!, 'connection') as Promise<[Socket]>;
    const client = await connectRaw(service.url);
    const [reader] = await accepted;
    client.socket.write(handshake(service.port));
    await until('the welcome', () => framesIn(client.text()).length === 1);
    // Each piece is one read of the gateway's, as it would be from a network slower than the gateway.
    const message = text(`{"type":"ping","timestamp":1}${' '.repeat(size - 29)}`);
    for (let at = 0; at < message.length; at += 1_400) {
      const { bytesRead } = reader;
      client.socket.write(message.subarray(at, at + 1_400));
      await until('it is read', () => reader.bytesRead > bytesRead, { everyMs: 1 });
    }
    client.socket.write(close(1000));
    await client.ended;
    assert.match(framesIn(client.text())[1]!.payload.toString(), /^\{"type":"pong"/);
    assert.equal(closeCodeIn(client.text()), 1000);
    await service.checkUnharmed();
  } finally {
    await service.stop();
  }
});
