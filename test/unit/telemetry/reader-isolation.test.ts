/**
 * Readers do not disturb each other. Beside a provider with three readers there is one for each of them that has
 * no other reader, and the SDK's own provider with all that is observed aggregated by the SDK. All figures change and
 * readers collect in random order, also at once; whenever a reader of the three collects, its two twins collect too,
 * and all must have seen the same, to the last digit.
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
import { busStates } from '../../../src/bus/bus.ts';
import { rejectionReasons } from '../../../src/gateway/admission.ts';
import { closeReasons } from '../../../src/gateway/close-codes.ts';
import { instruments } from '../../../src/telemetry/catalogue.ts';
import { gcTypes } from '../../../src/telemetry/figures.ts';
import { createMeters, type Meters } from '../../../src/telemetry/meter.ts';
import { OwnMetrics } from '../../../src/telemetry/own-metrics.ts';
import { type HandMadeFigures, handMadeFigures, sourcesOf } from '../../support/figures.ts';

class TestReader extends MetricReader {
  constructor(temporality: AggregationTemporality, own?: OwnMetrics) {
    super({
      aggregationTemporalitySelector: () => temporality,
      metricProducers: own === undefined ? [] : [own.producer({ temporalityOf: () => temporality })],
    });
  }
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

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

/** What happens between two collections follows from a number, so that a failure can be replayed. */
type Step = { changes: number } | { collect: readonly number[] };

const { CUMULATIVE, DELTA } = AggregationTemporality;
const temporalities = fc.tuple(...[0, 1, 2].map(() => fc.constantFrom(CUMULATIVE, DELTA)));
const steps = fc.array(
  fc.oneof(
    fc.record({ changes: fc.nat() }),
    fc.record({ collect: fc.uniqueArray(fc.nat(2), { minLength: 1 }) }),
  ),
  { minLength: 5, maxLength: 25 },
);

/** Numbers of 0..1 that look random, always the same for one seed. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Figures that may fall, by their place; all others only grow, as counters do. */
const mayFall =
  /^window|^gateway\.(?:active|states|sendQueue|flush)|^runtime\.spaces|(?<!allocated)Bytes$|^bus\.pending/;
const isFraction = /time|seconds|utilization|delay|age|uptime|lag|cpuLimit/i;

/** Changes every figure that there is, of every part. */
function changeAll(figures: object, random: () => number, place = ''): void {
  for (const [key, value] of Object.entries(figures)) {
    const path = place === '' ? key : `${place}.${key}`;
    const parent = figures as Record<string, unknown>;
    if (typeof value === 'object' && value !== null) changeAll(value, random, path);
    if (typeof value === 'boolean') parent[key] = random() < 0.5;
    if (typeof value !== 'number') continue;
    // Ordinary decimal fractions, of which most cannot be told exactly in binary.
    const amount = isFraction.test(path) ? Math.round(random() * 1e7) / 1e6 : Math.floor(random() * 1_000);
    parent[key] = mayFall.test(path) ? amount : value + amount;
  }
}

/** Records into every histogram. */
function recordAll({ gateway, ...meters }: Meters, random: () => number): void {
  const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(random() * values.length)]!;
  gateway.handshake(random(), pick([undefined, ...rejectionReasons]));
  gateway.connectionClosed(random() * 1_000, pick(closeReasons));
  gateway.messageSize(Math.floor(random() * 1_000), pick(['receive', 'transmit']));
  gateway.fanoutDuration(random() / 11);
  gateway.fanoutRecipients(Math.floor(random() * 10_000));
  gateway.fanoutBatch(1 + Math.floor(random() * 100));
  gateway.pingRoundTrip(random() / 7);
  meters.recordGcPause(random() / 100, pick(gcTypes));
  meters.recordRequest(random(), {
    method: pick(['GET', 'POST']),
    route: '/stats',
    status: 200,
    scheme: 'http',
  });
  meters.recordBusRoundTrip(random() / 13);
}

/** Readers and meters as the service has them: of one provider. */
function observedBy(chosen: readonly AggregationTemporality[], figures: HandMadeFigures) {
  const own = new OwnMetrics();
  const readers = chosen.map((temporality) => new TestReader(temporality, own));
  const meters = createMeters(own.meterProvider(new MeterProvider({ readers })), sourcesOf(figures));
  return { readers, meters };
}

const seenNames = new Set<string>();

async function checkIsolation(
  chosen: readonly AggregationTemporality[],
  sequence: readonly Step[],
): Promise<void> {
  const figures = handMadeFigures();
  const together = observedBy(chosen, figures);
  const alone = chosen.map((temporality) => observedBy([temporality], figures));
  const bySdk = chosen.map((temporality) => new TestReader(temporality));
  const allMeters = [
    together.meters,
    ...alone.map(({ meters }) => meters),
    ...bySdk.map((reader) => createMeters(new MeterProvider({ readers: [reader] }), sourcesOf(figures))),
  ];
  for (const step of sequence) {
    if ('changes' in step) {
      changeAll(figures, createRandom(step.changes));
      figures.bus.state = busStates[step.changes % busStates.length]!;
      for (const meters of allMeters) recordAll(meters, createRandom(step.changes));
      continue;
    }
    // All that are chosen collect at once: in the same tick, before any of them has an answer.
    const seen = step.collect.map((index) =>
      [together.readers[index]!, alone[index]!.readers[0]!, bySdk[index]!].map(pointsSeenBy),
    );
    for (const [withOthers, byItself, ofSdk] of seen) {
      const points = await withOthers!;
      assert.deepEqual(points, await byItself);
      assert.deepEqual(points, await ofSdk);
      for (const key of points.keys()) seenNames.add(key.slice(0, key.indexOf(' ')));
    }
  }
}

test('each of three readers sees of every instrument what it would see as the only one', async () => {
  await fc.assert(fc.asyncProperty(temporalities, steps, checkIsolation), { numRuns: 60 });
  const missing = instruments.map(({ name }) => name).filter((name) => !seenNames.has(name));
  assert.deepEqual(missing, [], 'no instrument is left out');
});

test('a collection that another overtakes within its tick shows the figures of one instant all the same', async () => {
  const figures = handMadeFigures();
  const { readers } = observedBy([CUMULATIVE, CUMULATIVE], figures);
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
