/** Whether what was exported by OTLP and what /metrics shows is the same, while clients go on. */
import assert from 'node:assert/strict';
import type { OtlpMetricsRequest } from './collector.ts';
import { exportedSeries, readAtMs, summedSeries } from './otlp-series.ts';
import { differences, scrapeCounters, stoodStill, summed } from './series.ts';
import { until } from './until.ts';

export type Temporality = 'cumulative' | 'delta';
type Target = { adminUrl: string };

/** On a busy machine an export of 300 ms may take seconds. */
const patience = { timeoutMs: 60_000 };

/** Waits for an export that was read after now; all counters that stand still around it must be in it. */
export async function agreesWithMetrics(
  gateway: Target,
  exports: () => Promise<OtlpMetricsRequest[]>,
  temporality: Temporality,
): Promise<void> {
  const earlier = await scrapeCounters(gateway);
  const nowMs = Date.now();
  const upTo = await until(
    'an export',
    async () => {
      const all = await exports();
      const index = all.findIndex((request) => readAtMs(request) > nowMs);
      return index >= 0 && all.slice(0, index + 1);
    },
    patience,
  );
  const still = stoodStill(earlier, await scrapeCounters(gateway));
  // Differences of what was counted before the gateway was there begin with the first export.
  if (temporality === 'delta')
    for (const key of still.keys())
      if (/^(?:system|container|tidegauge_container)_/.test(key)) still.delete(key);
  const totals = temporality === 'delta' ? summedSeries(upTo) : exportedSeries(upTo.at(-1)!);
  assert.ok(still.size > 150, `only ${still.size} series stood still`);
  for (const name of ['deliveries_sent', 'messages', 'connection_opened', 'io_bytes', 'connection_closed']) {
    assert.ok(
      [...still.keys()].some((key) => key.startsWith(`tidegauge_${name}_total{`)),
      name,
    );
  }
  assert.deepEqual(differences(still, totals), []);
}

/** By the exporter's own account. */
export async function failedExports(gateway: Target): Promise<number> {
  const operations = 'otel_sdk_exporter_operation_duration_seconds_count';
  return summed(await scrapeCounters(gateway), operations, 'error_type=');
}
