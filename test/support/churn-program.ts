/**
 * A program for a test: a service in a process of its own, that its parent lets clients come to and go from, and
 * then asks what is left. Needs an IPC channel and --expose-gc.
 */
import { startTestService } from './test-service.ts';
import { until } from './until.ts';

export type Leftovers = {
  heapBytes: number;
  resources: string[];
  /** Of file descriptors. */
  descriptors: number;
  connections: number;
  audiences: number;
  channels: number;
  opened: number;
  closed: Record<string, number>;
  rejected: Record<string, number>;
  drift: number;
};

const service = await startTestService();
const { gateway } = service.service;

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
    descriptors: readings.value('process.unix.file_descriptor.count') ?? 0,
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
