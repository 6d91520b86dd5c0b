/**
 * Pings and pongs were counted, and no limit was on them: one client that sent nothing else kept the event loop to itself.
 * And whoever was closed for sending too much could go on with it for the three seconds in which its answer to the close
 * frame was waited for, with messages too: half of all time was its own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { frame } from '../support/frames.ts';
import { startWatchedService } from '../support/watched-service.ts';
import { upgradeRaw } from '../support/ws-client.ts';

const FLOOD = 500_000;
/** The budget, what may be under way at the close, and what one read from the socket can hold beyond it. */
const PARSED_MAX = 100 + 1_000 + 65_536 / 6;

const kinds = { pings: 0x9, pongs: 0xa, 'empty messages': 0x1 };
for (const [kind, opcode] of Object.entries(kinds)) {
  test(`a client that floods us with ${kind} is closed, and cut when it goes on`, async () => {
    const service = await startWatchedService();
    try {
      const { ledger } = service.service.gateway;
      const changes = await service.changesDuring(async () => {
        const socket = await upgradeRaw(service.url);
        socket.on('error', () => undefined).resume();
        socket.write(Buffer.concat(Array<Buffer>(FLOOD).fill(frame({ opcode }))));
        while (!socket.destroyed) await setImmediate();
      });
      assert.equal(changes['closed policy'], 1);
      const { ping, pong } = ledger.controlFrames.receive;
      const parsed = ping + pong + ledger.counts.messagesReceived;
      assert.ok(parsed > 1_000 && parsed < PARSED_MAX, `${parsed} frames were looked at`);
      await service.checkUnharmed();
    } finally {
      await service.stop();
    }
  });
}
