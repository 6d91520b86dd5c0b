/**
 * A program for a test: a service in a process of its own, that its parent lets clients come to and go from, and
 * then asks what is left. Needs an IPC channel and --expose-gc.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { CLOSED_MAX } from '../../src/gateway/closed-connections.ts';
import { rowWith } from './connection-rows.ts';
import { startTestService } from './test-service.ts';
import { until } from './until.ts';

export type Leftovers = {
  heapBytes: number;
  resources: string[];
  /** File descriptors, but for those that figures are read from: some are opened half a minute after the start. */
  descriptors: number;
  connections: number;
  audiences: number;
  channels: number;
  opened: number;
  closed: Record<string, number>;
  rejected: Record<string, number>;
  drift: number;
};

function openDescriptors(): number {
  const folder = '/proc/self/fd';
  if (!existsSync(folder)) return 0;
  return readdirSync(folder).filter((name) => {
    try {
      return !/^\/(?:proc|sys)\//.test(readlinkSync(join(folder, name)));
    } catch {
      // The one that the folder was listed by.
      return false;
    }
  }).length;
}

const service = await startTestService();
const { gateway } = service.service;

// As after a day: of those that have ended as many are kept as ever will be, each that is to come is kept in the place of one,
// and the table of their names has the size that it keeps.
for (let count = 0; count < 3 * CLOSED_MAX; count += 1) {
  for (const reason of ['normal', 'no_close_frame'] as const) {
    const end = {
      closedAtUnixMs: Date.now() + 0.5,
      code: 1000,
      reason,
      initiator: 'client',
      bufferedBytes: 0,
    };
    const row = rowWith({
      id: `client_${randomBytes(9).toString('base64url')}`,
      remoteAddr: ['127.0.0.1', 30_000 + count].join(':'),
      durationSeconds: 0.25 + count,
      idleSeconds: 0.125 + count,
      openedAtUnixMs: Date.now() + 0.25,
      rttMs: undefined,
      userAgent: undefined,
    });
    gateway.closedConnections.add(row, end, count);
  }
}

process.on('message', async (order: 'look' | 'stop') => {
  if (order === 'stop') {
    await service.stop();
    process.disconnect!();
    return;
  }
  await until('the table is empty', () => gateway.connections.size + gateway.ledger.handshakes.active === 0);
  const sockets = (): string[] => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap');
  await until('every socket is closed', () => sockets().length === 0);
  const readings = await service.collect();
  // More than once, with a turn between: what has been freed may have been waiting to be freed by the loop.
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const leftovers: Leftovers = {
    heapBytes: process.memoryUsage().heapUsed,
    resources: process.getActiveResourcesInfo().sort(),
    descriptors: openDescriptors(),
    connections: readings.value('tidegauge.connection.active')!,
    audiences: readings.value('tidegauge.audience.active')!,
    channels: readings.value('tidegauge.channel.active')!,
    opened: gateway.ledger.opened,
    closed: gateway.ledger.closed,
    rejected: gateway.ledger.handshakes.rejected,
    drift: readings.value('tidegauge.ledger.drift')!,
  };
  process.send!(leftovers);
});

// The first collection opens files that stay open.
await service.collect();
process.send!(service.url);
