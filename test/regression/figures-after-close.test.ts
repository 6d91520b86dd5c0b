/**
 * A service that was closed without a drain said so before its last connections had been counted: its figures
 * still showed them as active, and changed afterwards.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestService } from '../support/test-service.ts';
import { connectClient } from '../support/ws-client.ts';

test('a service that has been closed has counted all of its clients, and keeps its figures', async () => {
  const service = await startTestService();
  await Promise.all(Array.from({ length: 4 }, () => connectClient(service.wsUrl)));
  await service.service.close();
  const readings = await service.collect();
  assert.equal(readings.value('tidegauge.connection.active'), 0);
  assert.equal(readings.value('tidegauge.connection.opened'), 4);
  assert.equal(readings.sum('tidegauge.connection.closed'), 4);
  assert.equal(readings.value('tidegauge.ledger.drift'), 0);
  await service.telemetry.shutdown(1_000);
});
