/**
 * A program for a test: pushes by OTLP, at a high rate, to an endpoint that takes nothing. Prints how many bytes the heap
 * has grown over the exports after the first few, and how many those were, as JSON. Needs --expose-gc.
 *
 *   node --expose-gc failing-exports.ts ENDPOINT EXPORTS
 */
import { createMeters } from '../../src/telemetry/meter.ts';
import { startTelemetry } from '../../src/telemetry/sdk.ts';
import { handMadeFigures, sourcesOf } from './figures.ts';
import { until } from './until.ts';

const [endpoint = '', exportsWanted = ''] = process.argv.slice(2);
const intervalMs = 20;
const timeoutMs = 120_000;

const telemetry = startTelemetry({
  env: {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_METRIC_EXPORT_INTERVAL: String(intervalMs),
    // Shorter than the interval, so that the next one never finds the last one under way.
    OTEL_EXPORTER_OTLP_TIMEOUT: String(intervalMs - 5),
  },
  registerGlobally: false,
  log: { warn() {}, info() {} },
});
const figures = handMadeFigures();
const meters = createMeters(telemetry.meterProvider, sourcesOf(figures));

/** Exports that have failed so far, by the exporter's own account. */
async function failed(): Promise<number> {
  figures.gateway.messages.receive += 1;
  meters.gateway.fanoutDuration(0.001);
  const { body } = await telemetry.scrape(undefined);
  const lines = String(body).matchAll(
    /^otel_sdk_exporter_operation_duration_seconds_count\{.*error_type=.*\} (\d+)$/gm,
  );
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function untilFailed(count: number): Promise<void> {
  await until(`${count} exports have failed`, async () => (await failed()) >= count, {
    timeoutMs,
    everyMs: 50,
  });
}

function heapBytes(): number {
  globalThis.gc!();
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

const warmUp = 40;
await untilFailed(warmUp);
const before = heapBytes();
await untilFailed(warmUp + Number(exportsWanted));
const grownBytes = heapBytes() - before;
console.log(JSON.stringify({ grownBytes, failed: await failed() }));
process.exit();
