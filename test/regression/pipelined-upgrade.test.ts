/**
 * An upgrade that was sent behind another request on the same connection, without waiting, was carried out at
 * once: the answer to the first request then came among the WebSocket's frames.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { close, closeCodeIn } from '../support/frames.ts';
import { until } from '../support/until.ts';
import { startWatchedService } from '../support/watched-service.ts';
import { connectRaw, handshake } from '../support/ws-client.ts';

const get = 'GET /stats HTTP/1.1\r\nhost: x\r\n\r\n';

test('an upgrade behind a request that is not answered yet is an ordinary request, answered in its turn', async () => {
  const service = await startWatchedService();
  try {
    const client = await connectRaw(service.url);
    client.socket.write(get + handshake(service.port));
    await until('both answers', () => client.text().includes('upgrade_required'));
    client.socket.destroy();
    await client.ended;
    assert.deepEqual(client.text().match(/HTTP\/1\.1 \d{3}/g), ['HTTP/1.1 200', 'HTTP/1.1 426']);
    await service.checkUnharmed();
  } finally {
    await service.stop();
  }
});

test('an upgrade on a connection whose earlier request has been answered is carried out', async () => {
  const service = await startWatchedService();
  try {
    const client = await connectRaw(service.url);
    client.socket.write(get);
    await until('the report', () => client.text().endsWith('}'));
    client.socket.write(handshake(service.port));
    await until('the welcome', () => client.text().includes('connectionEstablished'));
    client.socket.write(close(1000));
    await client.ended;
    const afterReport = client.text().slice(client.text().indexOf('HTTP/1.1 101'));
    assert.equal(closeCodeIn(afterReport), 1000);
    await service.checkUnharmed();
  } finally {
    await service.stop();
  }
});
