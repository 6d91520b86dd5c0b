/**
 * A handshake that was refused on a connection whose caller did not read kept it for ever, since its answer was never taken;
 * and the process, told to leave, waited for it without an end.
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { until } from '../support/until.ts';
import { startWatchedService } from '../support/watched-service.ts';
import { connectRaw, handshake } from '../support/ws-client.ts';

test('a refused handshake whose answer is not read is cut', async () => {
  const service = await startWatchedService();
  let refused: Socket | undefined;
  try {
    const [server] = service.service.httpServers;
    // As if it had not read the answers to earlier requests on the connection.
    server!.prependListener('upgrade', (_request, socket) => {
      refused = socket as Socket;
      socket.write(Buffer.alloc(16 * 2 ** 20));
    });
    const client = await connectRaw(service.url);
    client.socket.pause();
    client.socket.write(handshake(service.port, {}, '/nowhere'));
    await until('the connection is cut', () => refused?.destroyed === true, { timeoutMs: 5_000 });
    client.socket.destroy();
    assert.equal(service.service.gateway.ledger.handshakes.rejected.not_found, 1);
  } finally {
    await service.stop();
  }
});
