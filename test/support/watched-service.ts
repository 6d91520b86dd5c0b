/**
 * A service under attack, with a witness: a client that has nothing to do with it and must not notice. What an
 * attack has changed is read from the figures, as the difference of two collections.
 */
import assert from 'node:assert/strict';
import type { Readings } from '../../src/reports/readings.ts';
import { startTestService, type TestService } from './test-service.ts';
import { until } from './until.ts';
import { connectClient, type WsClient } from './ws-client.ts';

/** Figure and value of its attribute, as `closed protocol_error`: how much it has grown. */
export type Changes = Record<string, number>;

export type WatchedService = TestService & {
  witness: WsClient;
  port: number;
  /** What the figures say that has happened meanwhile, once nobody but the witness is there. */
  changesDuring(run: () => Promise<unknown>): Promise<Changes>;
  /** Fails unless the witness is still served, and the account is in order. */
  checkUnharmed(): Promise<void>;
};

const watched: [instrument: string, attribute: string, label: string][] = [
  ['tidegauge.connection.closed', 'tidegauge.close.reason', 'closed'],
  ['tidegauge.handshake.rejections', 'error.type', 'rejected'],
  ['tidegauge.messages.rejected', 'error.type', 'refused'],
];

export async function startWatchedService(env: Record<string, string> = {}): Promise<WatchedService> {
  const service = await startTestService(env);
  await service.ready();
  const witness = await connectClient(service.wsUrl);
  const { gateway, bus } = service.service;
  let published = 0;
  const areAllGone = (): boolean => gateway.connections.size === 1 && gateway.ledger.handshakes.active === 0;
  return {
    ...service,
    witness,
    port: Number(new URL(service.url).port),
    changesDuring: async (run) => {
      await until('nobody is there yet', areAllGone, { everyMs: 1 });
      const before = countsOf(await service.collect());
      await run();
      await until('all others are gone', areAllGone, { everyMs: 1 });
      const after = countsOf(await service.collect());
      const changes = Object.keys(after).map((key) => [key, after[key]! - (before[key] ?? 0)] as const);
      return Object.fromEntries(changes.filter(([, change]) => change !== 0));
    },
    checkUnharmed: async () => {
      published += 1;
      const words = `are you there? ${published}`;
      bus.publish('public.witness', Buffer.from(words));
      await until('the witness hears it', () => witness.messages.at(-1) === words, { everyMs: 1 });
      await until('all others are gone', areAllGone);
      const readings = await service.collect();
      assert.equal(readings.value('tidegauge.ledger.drift'), 0);
      assert.equal(readings.value('tidegauge.connection.active'), 1);
      assert.equal(readings.value('tidegauge.send_queue.usage'), 0);
      assert.equal(readings.value('tidegauge.subscription.active'), 1);
      for (const { attributes, value } of readings.points('tidegauge.io')) {
        assert.ok(Number.isSafeInteger(value), `${JSON.stringify(attributes)} is ${value}`);
      }
      const complaints = service.log.filter(({ level }) => level === 'error' || level === 'warn');
      assert.deepEqual(complaints, [], 'a bad client is no reason for a log line');
    },
  };
}

function countsOf(readings: Readings): Changes {
  const counts: Changes = {};
  for (const [instrument, attribute, label] of watched) {
    for (const { attributes, value } of readings.points(instrument)) {
      counts[`${label} ${attributes[attribute]}`] = value;
    }
  }
  return counts;
}
