/** Promise T4: the wall clock jumps, and nothing that was measured is negative, falls, or is longer than it took. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startGateway } from '../support/gateway-process.ts';
import { parseExposition } from '../support/openmetrics.ts';
import { connectClient } from '../support/ws-client.ts';

const CLIENTS = 10;
/** The process has been there for as long at most. */
const SECONDS_MAX = 100;

type Report = {
  uptime_seconds: number;
  timestamp: number;
  last_update: number;
  connections: {
    avg_duration_sec: number;
    connections: { duration_sec: number; idle_sec: number }[];
  };
};

test('an hour back, then two on: clients stay, and durations go by another clock', async () => {
  const preload = ['--import', join(import.meta.dirname, '../support/jumping-clock.ts')];
  const settings = {
    TIDEGAUGE_SAMPLE_INTERVAL: '250ms',
    TIDEGAUGE_PING_INTERVAL: '500ms',
    TIDEGAUGE_PONG_TIMEOUT: '500ms',
  };
  const gateway = await startGateway(settings, [], preload);
  try {
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connectClient(gateway.wsUrl)));
    const startMs = performance.now();
    const before = new Map<string, number>();
    let jumps = 0;
    let lastTimestamp = 0;
    while (performance.now() - startMs < 6_000) {
      for (const { name, labels, value } of parseExposition(
        await (await fetch(`${gateway.url}/metrics`)).text(),
      )) {
        const series = `${name} ${JSON.stringify(labels)}`;
        assert.ok(value >= 0, `${series} is ${value}`);
        if (/_(?:total|bucket|sum|count)$/.test(name))
          assert.ok(value >= (before.get(series) ?? 0), `${series} fell to ${value}`);
        before.set(series, value);
      }
      const report = (await (await fetch(`${gateway.url}/metrics/enhanced`)).json()) as Report;
      const { uptime_seconds, timestamp, last_update, connections } = report;
      const rows = connections.connections.flatMap(({ duration_sec, idle_sec }) => [duration_sec, idle_sec]);
      for (const seconds of [uptime_seconds, connections.avg_duration_sec, timestamp - last_update, ...rows])
        assert.ok(seconds >= 0 && seconds < SECONDS_MAX, `${seconds} s`);
      if (Math.abs(timestamp - lastTimestamp) > 1_000) jumps += 1;
      lastTimestamp = timestamp;
      await wait(200);
    }
    // From nothing to now, back, and on.
    assert.equal(jumps, 3);
    assert.equal(clients.filter(({ socket }) => socket.readyState === 1).length, CLIENTS);
  } finally {
    await gateway.stop();
  }
});
