/**
 * A client that sent pings and read nothing was answered each of them, and the answers waited in memory without
 * a bound: 250 MB in six seconds. Only data messages were seen to be left behind by the kernel, not pongs.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frame } from '../support/frames.ts';
import { until } from '../support/until.ts';
import { startWatchedService } from '../support/watched-service.ts';
import { upgradeRaw } from '../support/ws-client.ts';

test('a client that pings and does not read costs one pong, and is cut as a slow consumer', async () => {
  const service = await startWatchedService({
    TIDEGAUGE_MAX_BUFFERED_AGE: '500ms',
    // The rate has a test of its own.
    TIDEGAUGE_RECEIVE_RATE: '1000000',
    TIDEGAUGE_RECEIVE_BURST: '1000000',
  });
  try {
    const { gateway } = service.service;
    const socket = await upgradeRaw(service.url);
    socket.pause();
    // Pongs between them, so that it looks alive.
    const many = Buffer.concat([
      ...Array<Buffer>(500).fill(frame({ opcode: 0x9, payload: 'p'.repeat(125) })),
    ]);
    const pongs = frame({ opcode: 0xa });
    let largest = 0;
    const readings = (): number => Math.max(...[...gateway.connections].map((one) => one.bufferedBytes));
    await until(
      'it is cut',
      () => {
        if (socket.writableLength < many.length) socket.write(Buffer.concat([many, pongs]));
        largest = Math.max(largest, readings());
        return gateway.ledger.closed.slow_consumer === 1;
      },
      { everyMs: 1, timeoutMs: 20_000 },
    );
    assert.ok(largest > 0 && largest < 64 * 1024, `${largest} bytes waited`);
    assert.ok(gateway.ledger.controlFrames.receive.ping > gateway.ledger.controlFrames.transmit.pong);
    socket.destroy();
    await service.checkUnharmed();
  } finally {
    await service.stop();
  }
});
