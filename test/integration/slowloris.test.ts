/** Promise F7: whoever sends a handshake byte by byte is cut, and keeps nobody out meanwhile. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { httpLimits } from '../../src/http/server.ts';
import { startTestService } from '../support/test-service.ts';
import { until } from '../support/until.ts';
import { connectClient, handshake } from '../support/ws-client.ts';

const DRIPS = 500;

test('all of them are cut when the headers have taken too long, and others come in as ever', async () => {
  const service = await startTestService();
  const port = Number(new URL(service.url).port);
  const text = handshake(port, { 'x-pad': 'y'.repeat(2_000) });
  const sockets: Socket[] = [];
  let cut = 0;
  let sent = 60;
  const drip = setInterval(() => {
    for (const socket of sockets) socket.write(text[sent]!);
    sent += 1;
  }, 500);
  try {
    for (let index = 0; index < DRIPS; index += 1) {
      const socket = connect(port, '127.0.0.1', () => socket.write(text.slice(0, 60)));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        cut += 1;
      });
      socket.resume();
      sockets.push(socket);
    }
    await until('they are all there', () => sockets.every((socket) => !socket.pending));
    const startMs = performance.now();
    const answers: string[] = [];
    sockets[0]!.on('data', (data) => answers.push(data.toString('latin1')));
    for (let client = 0; client < 20; client += 1) (await connectClient(service.wsUrl)).socket.close();
    await until('they have all been cut', () => cut === DRIPS, { timeoutMs: 60_000 });
    const { headersTimeoutMs, checkIntervalMs, lingerMs } = httpLimits;
    // They are looked at together, and what takes long is a busy machine.
    const limitMs = headersTimeoutMs + checkIntervalMs + lingerMs + 3_000;
    assert.ok(performance.now() - startMs < limitMs, `${performance.now() - startMs} ms`);
    assert.ok(performance.now() - startMs >= headersTimeoutMs - 1_000);
    assert.match(answers.join(''), /^HTTP\/1\.1 408 /);
    assert.ok(headersTimeoutMs + checkIntervalMs <= 10_000);
  } finally {
    clearInterval(drip);
    for (const socket of sockets) socket.destroy();
    await service.stop();
  }
});
