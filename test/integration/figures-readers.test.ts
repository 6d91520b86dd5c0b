/**
 * Readers do not disturb each other, with the real sources of this machine: three of them collect in random order, at
 * once and alone, while the process works, waits and makes garbage. The witness is the platform itself, asked directly
 * before and after. What a counter shows to any reader lies between the two and never falls; what belongs to a window of
 * the sampler is the same for all until the next one is closed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { createMeters } from '../../src/telemetry/meter.ts';
import { OwnMetrics } from '../../src/telemetry/own-metrics.ts';
import { createPlatform, type Platform } from '../../src/telemetry/sources/platform.ts';
import { handMadeFigures, sourcesOf } from '../support/figures.ts';

const BUDGET_MS = 5_000;
/** A counter's seconds lie on a grid of a millionth. */
const GRID_SECONDS = 1e-6;

/** Sees sums from the start, whichever way they are handed to it. */
class TestReader extends MetricReader {
  readonly isDelta: boolean;
  readonly #sums = new Map<string, number>();

  constructor(temporality: AggregationTemporality, own: OwnMetrics) {
    super({
      aggregationTemporalitySelector: () => temporality,
      metricProducers: [own.producer({ temporalityOf: () => temporality })],
    });
    this.isDelta = temporality === AggregationTemporality.DELTA;
  }
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}

  /** Counters, which must not have fallen, and gauges, by name and attribute values. */
  async look(): Promise<{ counters: Map<string, number>; gauges: Map<string, number> }> {
    const { resourceMetrics, errors } = await this.collect();
    assert.deepEqual(errors, []);
    const gauges = new Map<string, number>();
    for (const metric of resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)) {
      for (const { attributes, value } of metric.dataPoints) {
        const key = [metric.descriptor.name, ...Object.values(attributes)].join(' ');
        if (metric.dataPointType === DataPointType.GAUGE) gauges.set(key, value as number);
        if (metric.dataPointType !== DataPointType.SUM || !metric.isMonotonic) continue;
        const before = this.#sums.get(key) ?? 0;
        const now = (value as number) + (this.isDelta ? before : 0);
        assert.ok(now >= before, `${key} has fallen from ${before} to ${now}`);
        this.#sums.set(key, now);
      }
    }
    return { counters: new Map(this.#sums), gauges };
  }
}

/** Counters and window of the platform, by the keys that a reader has for them. */
function witness(platform: Platform) {
  const { cpuTime, pageFaults } = platform.process();
  const { eventLoopTime, gc } = platform.runtime();
  const { cpuTime: machine = {} } = platform.host();
  const { age, closedAtMs, cpuUtilization, eventLoopUtilization, eventLoopDelay } = platform.window();
  const named = (name: string, figures: Record<string, number>): [string, number][] =>
    Object.entries(figures).map(([value, figure]) => [`${name} ${value}`, figure]);
  return {
    closedAtMs,
    age,
    counters: new Map([
      ...named('process.cpu.time', cpuTime),
      ...named('process.paging.faults', pageFaults!),
      ...named('nodejs.eventloop.time', eventLoopTime),
      ...named('system.cpu.time', machine),
      ...named('tidegauge.v8.gc.count', { minor: gc.minor.count, major: gc.major.count }),
    ]),
    window: new Map([
      ...named('process.cpu.utilization', cpuUtilization),
      ...Object.entries(eventLoopDelay).map(
        ([key, value]) => [`nodejs.eventloop.delay.${key}`, value] as const,
      ),
      ['nodejs.eventloop.utilization', eventLoopUtilization],
    ]),
  };
}

function work(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) Array.from({ length: 100 }, (_, index) => ({ index }));
}

test('three readers at random times see one machine, and the same windows', async () => {
  const platform = createPlatform({ sampleIntervalMs: 250 });
  const { CUMULATIVE, DELTA } = AggregationTemporality;
  const own = new OwnMetrics();
  const readers = [CUMULATIVE, DELTA, CUMULATIVE].map((temporality) => new TestReader(temporality, own));
  createMeters(own.meterProvider(new MeterProvider({ readers })), {
    ...sourcesOf(handMadeFigures()),
    platform,
  });
  platform.start();
  const endMs = performance.now() + BUDGET_MS;
  let windowsCompared = 0;

  async function collectAtOnce(chosen: readonly number[]): Promise<void> {
    const before = witness(platform);
    const looks = await Promise.all(chosen.map((index) => readers[index]!.look()));
    const after = witness(platform);
    for (const { counters, gauges } of looks) {
      for (const [key, least] of before.counters) {
        const told = counters.get(key);
        const most = after.counters.get(key)!;
        assert.ok(
          told !== undefined && told >= least - GRID_SECONDS && told <= most + GRID_SECONDS,
          `${key}: ${told} is not within ${least} and ${most}`,
        );
      }
      if (before.closedAtMs !== after.closedAtMs || before.age > after.age) continue;
      windowsCompared += 1;
      for (const [key, value] of before.window) assert.equal(gauges.get(key), value, key);
    }
  }

  const steps = fc.array(
    fc.record({
      waitMs: fc.nat(30),
      workMs: fc.nat(15),
      chosen: fc.uniqueArray(fc.nat(2), { minLength: 1 }),
    }),
    { minLength: 3, maxLength: 12 },
  );
  try {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        for (const { waitMs, workMs, chosen } of sequence) {
          work(workMs);
          await wait(waitMs);
          await collectAtOnce(chosen);
        }
      }),
      // What has happened cannot be replayed, so there is nothing to shrink.
      { numRuns: 1_000, interruptAfterTimeLimit: endMs - performance.now(), endOnFailure: true },
    );
  } finally {
    platform.stop();
  }
  assert.ok(windowsCompared > 50, `${windowsCompared} windows were compared`);
});
