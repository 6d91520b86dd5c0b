/**
 * Readers do not disturb each other. Beside a provider with three readers there is one for each of them that has
 * no other reader. Figures change and readers collect in random order, also at once; whenever a reader of the
 * three collects, its lone twin collects too, and both must have seen the same, to the last digit.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import { createMeters, type Meters } from '../../../src/telemetry/meter.ts';
import { type HandMadeFigures, handMadeFigures, sourcesOf } from '../../support/figures.ts';

class TestReader extends MetricReader {
  constructor(temporality: AggregationTemporality) {
    super({ aggregationTemporalitySelector: () => temporality });
  }
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

const temporalities = [
  AggregationTemporality.CUMULATIVE,
  AggregationTemporality.DELTA,
  AggregationTemporality.CUMULATIVE,
] as const;

/** Name, attributes and value of every point, without times. */
async function pointsSeenBy(reader: MetricReader): Promise<Map<string, unknown>> {
  const { resourceMetrics, errors } = await reader.collect();
  assert.deepEqual(errors, []);
  const points = new Map<string, unknown>();
  for (const metric of resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)) {
    for (const { attributes, value } of metric.dataPoints) {
      const isEmpty =
        metric.dataPointType === DataPointType.HISTOGRAM && (value as { count: number }).count === 0;
      if (!isEmpty) points.set(`${metric.descriptor.name} ${JSON.stringify(attributes)}`, value);
    }
  }
  return points;
}

type Change = { messages: number; seconds: number; active: number };
type Step = { change: Change } | { collect: readonly number[] };

const steps = fc.array(
  fc.oneof(
    fc.record({
      change: fc.record({
        messages: fc.nat(1_000),
        // Ordinary decimal fractions: fc.double would mostly give numbers next to 0 or to the bound.
        seconds: fc.nat(1e9).map((number) => number / 1e7),
        active: fc.nat(50),
      }),
    }),
    fc.record({ collect: fc.uniqueArray(fc.nat(2), { minLength: 1 }) }),
  ),
  { minLength: 5, maxLength: 30 },
);

function apply(change: Change, figures: HandMadeFigures, allMeters: readonly Meters[]): void {
  const { gateway, process: ours, runtime, window } = figures;
  gateway.messages.receive += change.messages;
  gateway.connectionTime += change.seconds;
  gateway.active = change.active;
  ours.cpuTime.user += change.seconds / 3;
  runtime.gc.minor.seconds += change.seconds / 7;
  window.eventLoopUtilization = change.active / 50;
  for (const meters of allMeters) {
    meters.gateway.fanoutDuration(change.seconds / 11);
    meters.gateway.messageSize(change.messages, 'receive');
  }
}

async function checkIsolation(sequence: readonly Step[]): Promise<void> {
  const figures = handMadeFigures();
  const together = temporalities.map((temporality) => new TestReader(temporality));
  const alone = temporalities.map((temporality) => new TestReader(temporality));
  const allMeters = [together, ...alone.map((reader) => [reader])].map((readers) =>
    createMeters(new MeterProvider({ readers }), sourcesOf(figures)),
  );
  for (const step of sequence) {
    if ('change' in step) {
      apply(step.change, figures, allMeters);
      continue;
    }
    // All that are chosen collect at once: in the same tick, before any of them has an answer.
    const seen = step.collect.map(
      (index) => [pointsSeenBy(together[index]!), pointsSeenBy(alone[index]!)] as const,
    );
    for (const [withOthers, byItself] of seen) assert.deepEqual(await withOthers, await byItself);
  }
}

test('each of three readers sees what it would see as the only one', async () => {
  await fc.assert(fc.asyncProperty(steps, checkIsolation), { numRuns: 60 });
});

test('a collection that another overtakes within its tick shows the figures of one instant all the same', async () => {
  const figures = handMadeFigures();
  const readers = [0, 1].map(() => new TestReader(AggregationTemporality.CUMULATIVE));
  createMeters(new MeterProvider({ readers }), sourcesOf(figures));
  const collections = [];
  for (let round = 1; round <= 4; round += 1) {
    figures.gateway.active = round;
    figures.gateway.opened = round;
    figures.http.activeRequests = round;
    collections.push(pointsSeenBy(readers[round % 2]!));
    if (round % 2 === 1) await Promise.resolve();
  }
  for (const points of await Promise.all(collections)) {
    const active = points.get('tidegauge.connection.active {}') as number;
    assert.ok(active >= 1 && active <= 4);
    assert.equal(points.get('http.server.active_requests {}'), active);
  }
});

test('a reader that never collects costs no memory over 10,000 collections of the others', async () => {
  const script = join(import.meta.dirname, '../../support/silent-reader.ts');
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script]);
  const { grownBytes, points } = JSON.parse(stdout) as { grownBytes: number; points: number };
  assert.ok(points > 200);
  assert.ok(grownBytes < 200_000, `the heap has grown by ${grownBytes} bytes`);
});
