/** The reader in memory: which instant a collection shows, who shares it, and how figures are looked up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { createMeters } from '../../../src/telemetry/meter.ts';
import { OwnMetrics } from '../../../src/telemetry/own-metrics.ts';
import { createSnapshotReader, SnapshotClosedError } from '../../../src/telemetry/snapshot-reader.ts';
import { handMadeFigures, sourcesOf } from '../../support/figures.ts';

function start() {
  const figures = handMadeFigures();
  const own = new OwnMetrics();
  const snapshot = createSnapshotReader(own);
  const provider = new MeterProvider();
  let asked = 0;
  const sources = sourcesOf(figures);
  const meters = createMeters(own.meterProvider(provider), {
    ...sources,
    gateway() {
      asked += 1;
      return sources.gateway();
    },
  });
  return { figures, snapshot, meters, timesAsked: () => asked };
}

test('a collection shows the figures as they are at the call, not as they are when it resolves', async () => {
  const { figures, snapshot } = start();
  figures.gateway.active = 5;
  const collection = snapshot.collect();
  figures.gateway.active = 6;
  assert.equal((await collection).value('tidegauge.connection.active'), 5);
  assert.equal((await snapshot.collect()).value('tidegauge.connection.active'), 6);
});

test('whoever shares a collection gets figures read after the question, in one reading for all of a turn', async () => {
  const { figures, snapshot, timesAsked } = start();
  const early = snapshot.collectShared();
  figures.gateway.active = 7;
  await Promise.resolve();
  const late = snapshot.collectShared();
  const both = await Promise.all([early, late]);
  assert.deepEqual(
    both.map((readings) => readings.value('tidegauge.connection.active')),
    [7, 7],
  );
  assert.equal(timesAsked(), 1);
});

test('a shared collection is not given to whoever asks after it was read', async () => {
  const { figures, snapshot, timesAsked } = start();
  let readings: Promise<unknown> | undefined;
  const first = snapshot.collectShared();
  // Runs in the same turn, right after the figures were read and before they are handed over.
  setImmediate(() => {
    figures.gateway.active = 8;
    readings = snapshot.collectShared().then((later) => later.value('tidegauge.connection.active'));
  });
  assert.equal((await first).value('tidegauge.connection.active'), 0);
  await turn();
  assert.equal(await readings, 8);
  assert.equal(timesAsked(), 2);
});

test('readings have a time, points, sums and histograms by name and attributes', async () => {
  const { figures, snapshot, meters } = start();
  figures.gateway.messages = { receive: 3, transmit: 4 };
  meters.gateway.messageSize(100, 'receive');
  meters.gateway.messageSize(5_000, 'receive');
  const before = Date.now();
  const readings = await snapshot.collect();
  assert.ok(readings.timestampMs >= before && readings.timestampMs <= Date.now());
  assert.equal(readings.value('tidegauge.messages', { 'network.io.direction': 'receive' }), 3);
  assert.equal(readings.value('tidegauge.messages'), undefined);
  assert.equal(
    readings.value('tidegauge.messages', { 'network.io.direction': 'receive', more: 1 }),
    undefined,
  );
  assert.equal(readings.value('no.such.instrument'), undefined);
  assert.equal(readings.sum('tidegauge.messages'), 7);
  assert.equal(readings.sum('no.such.instrument'), undefined);
  assert.deepEqual(readings.points('no.such.instrument'), []);
  assert.equal(readings.points('tidegauge.message.size').length, 0);
  const sizes = readings.histogram('tidegauge.message.size', { 'network.io.direction': 'receive' });
  assert.deepEqual(
    { ...sizes, boundaries: undefined },
    {
      count: 2,
      sum: 5_100,
      min: 100,
      max: 5_000,
      buckets: [0, 1, 0, 0, 1, 0, 0, 0, 0],
      boundaries: undefined,
    },
  );
  assert.equal(readings.histogram('tidegauge.message.size'), undefined);
});

test('after the end a collection is refused with a reason', async () => {
  const { snapshot } = start();
  snapshot.close();
  await assert.rejects(snapshot.collect(), SnapshotClosedError);
  await assert.rejects(snapshot.collectShared(), { message: /shut down/ });
});
