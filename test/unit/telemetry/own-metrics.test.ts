/**
 * What is observed, as a reader gets it, where it is not what the SDK would make of it (that it is the same otherwise is
 * held by the test of reader isolation), and what the API promises of callbacks.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attributes, type Meter, ValueType } from '@opentelemetry/api';
import {
  AggregationTemporality,
  type DataPoint,
  InstrumentType,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import { OwnMetrics, type OwnMetricsOptions } from '../../../src/telemetry/own-metrics.ts';

const { CUMULATIVE, DELTA } = AggregationTemporality;

class TestReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

function start(temporality: AggregationTemporality = CUMULATIVE, options?: OwnMetricsOptions) {
  const own = new OwnMetrics(options);
  const reader = new TestReader({
    metricProducers: [own.producer({ temporalityOf: () => temporality })],
  });
  const provider = own.meterProvider(new MeterProvider({ readers: [reader] }));
  const meter = provider.getMeter('a scope', '1.0.0', { schemaUrl: 'https://example.org/schema' });
  const collect = async () => {
    const { resourceMetrics, errors } = await reader.collect();
    const { scopeMetrics } = resourceMetrics;
    const points = (name: string) =>
      scopeMetrics
        .flatMap(({ metrics }) => metrics)
        .filter(({ descriptor }) => descriptor.name === name)
        .flatMap(({ dataPoints }) => dataPoints as DataPoint<number>[]);
    return { scopeMetrics, errors, points, values: (name: string) => points(name).map(({ value }) => value) };
  };
  return { provider, meter, collect };
}

const used: Attributes = { state: 'used' };
const free: Attributes = { state: 'free' };

test('what is not observed any more is not told any more', async () => {
  for (const temporality of [CUMULATIVE, DELTA]) {
    const { meter, collect } = start(temporality);
    const bytes: (readonly [number, Attributes])[] = [
      [5, used],
      [7, free],
    ];
    const memory = meter.createObservableUpDownCounter('memory');
    const limit = meter.createObservableGauge('limit');
    meter.addBatchObservableCallback(
      (result) => {
        for (const [value, attributes] of bytes) result.observe(memory, value, attributes);
        if (bytes.length === 2) result.observe(limit, 12);
      },
      [memory, limit],
    );
    const before = await collect();
    assert.deepEqual([before.values('memory'), before.values('limit')], [[5, 7], [12]]);
    bytes.pop();
    const after = await collect();
    assert.deepEqual(
      after.points('memory').map(({ attributes }) => attributes),
      [used],
    );
    assert.deepEqual(
      after.scopeMetrics.flatMap(({ metrics }) => metrics.map(({ descriptor }) => descriptor.name)),
      ['memory'],
    );
  }
});

test('differences cover the time since the point was told last, without a gap and without an overlap', async () => {
  const { meter, collect } = start(DELTA);
  let calls: number | undefined = 3;
  meter.createObservableCounter('calls').addCallback((result) => {
    if (calls !== undefined) result.observe(calls, used);
  });
  const told: DataPoint<number>[] = [];
  for (const now of [3, 10, undefined, 14, 2]) {
    calls = now;
    told.push(...(await collect()).points('calls'));
  }
  // From 14 to 2: whoever counts has begun anew.
  assert.deepEqual(
    told.map(({ value }) => value),
    [3, 7, 4, 2],
  );
  for (const [index, { startTime }] of told.entries()) {
    if (index > 0) assert.deepEqual(startTime, told[index - 1]!.endTime);
  }
});

test('sums since the start begin when the provider was made, and anew after a fall', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000 });
  const { meter, collect } = start();
  let calls = 0;
  meter.createObservableCounter('calls').addCallback((result) => result.observe(calls));
  const told: (readonly number[])[] = [];
  for (const now of [3, 4, 1, 6]) {
    calls = now;
    t.mock.timers.tick(1_000);
    const [point] = (await collect()).points('calls');
    assert.deepEqual(point!.attributes, {});
    told.push([point!.startTime[0], point!.endTime[0], point!.value]);
  }
  assert.deepEqual(told, [
    [1, 2, 3],
    [1, 3, 4],
    [3, 4, 1],
    [3, 5, 6],
  ]);
});

test('an instrument of whole numbers tells whole ones', async () => {
  const { meter, collect } = start();
  meter
    .createObservableGauge('whole', { valueType: ValueType.INT })
    .addCallback((result) => result.observe(2.75));
  meter.createObservableGauge('any').addCallback((result) => result.observe(2.75));
  const { values } = await collect();
  assert.deepEqual([values('whole'), values('any')], [[2], [2.75]]);
});

test('a callback that throws is an error of the collection, and costs no other its figures', async () => {
  const { meter, collect } = start();
  const calls = meter.createObservableCounter('calls');
  const broken = () => {
    throw new Error('broken');
  };
  meter.addBatchObservableCallback(broken, [calls]);
  calls.addCallback(broken);
  meter.addBatchObservableCallback((result) => result.observe(calls, 4), [calls]);
  const { errors, values } = await collect();
  assert.deepEqual(
    errors.map((error) => (error as Error).message),
    ['broken', 'broken'],
  );
  assert.deepEqual(values('calls'), [4]);
  meter.removeBatchObservableCallback(broken, [calls]);
  calls.removeCallback(broken);
  assert.deepEqual((await collect()).errors, []);
});

test('what the SDK makes goes beside it, and instruments of other providers are ignored', async () => {
  const { provider, meter, collect } = start();
  const options = { schemaUrl: 'https://example.org/schema' };
  const again = provider.getMeter('a scope', '1.0.0', options);
  assert.equal(again, meter, 'a scope is one meter');
  again.createCounter('counter').add(1);
  again.createUpDownCounter('up-down').add(2);
  again.createGauge('gauge').record(3);
  const foreign = new MeterProvider().getMeter('a scope').createObservableGauge('foreign');
  const ours = again.createObservableGauge('ours', { unit: 'By', description: 'Bytes.' });
  meter.addBatchObservableCallback(
    (result) => {
      result.observe(foreign, 9);
      result.observe(ours, 5);
    },
    [foreign, ours],
  );
  const { scopeMetrics, values } = await collect();
  const [sdk, observed] = scopeMetrics;
  assert.deepEqual(
    sdk!.metrics.map(({ descriptor }) => descriptor.name),
    ['counter', 'up-down', 'gauge'],
  );
  assert.deepEqual([values('ours'), values('foreign')], [[5], []]);
  assert.deepEqual(observed!.scope, { name: 'a scope', version: '1.0.0', ...options });
  assert.deepEqual(sdk!.scope, observed!.scope);
  const { name, unit, description, valueType } = observed!.metrics[0]!.descriptor;
  assert.deepEqual(
    { name, unit, description, valueType },
    { name: 'ours', unit: 'By', description: 'Bytes.', valueType: ValueType.DOUBLE },
  );
});

/** By one provider of ours and by the SDK's, which must not be told from each other. */
async function histogramsOf(record: (meter: Meter) => void): Promise<[ours: unknown, sdk: unknown]> {
  const own = new OwnMetrics();
  const readers = [new TestReader({ metricProducers: [own.producer()] }), new TestReader()];
  const [ours, sdk] = readers.map((reader) => new MeterProvider({ readers: [reader] }));
  record(own.meterProvider(ours!).getMeter('a scope'));
  record(sdk!.getMeter('a scope'));
  const told = readers.map(async (reader) => {
    const { resourceMetrics } = await reader.collect();
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
      metrics.map(({ descriptor, dataPointType, dataPoints }) => ({
        name: descriptor.name,
        dataPointType,
        values: dataPoints.map(({ attributes, value }) => ({ attributes, value })),
      })),
    );
  });
  return (await Promise.all(told)) as [unknown, unknown];
}

test('a histogram puts values where the SDK puts them: on a boundary, beyond the last, and by default', async () => {
  const [ours, sdk] = await histogramsOf((meter) => {
    const advice = { explicitBucketBoundaries: [0.5, 1, 2] };
    const seconds = meter.createHistogram('seconds', { unit: 's', advice });
    for (const value of [0, 0.5, 0.500001, 1, 2, 2.5, 1e9, Number.POSITIVE_INFINITY]) seconds.record(value);
    const bytes = meter.createHistogram('bytes');
    for (const value of [0, 1, 5, 6, 10_000, 10_001]) bytes.record(value, used);
    meter.createHistogram('nothing');
  });
  assert.deepEqual(ours, sdk);
});

test('a histogram records what is no number, or negative, as little as the SDK does', async () => {
  const [ours, sdk] = await histogramsOf((meter) => {
    const seconds = meter.createHistogram('seconds');
    for (const value of [-1, Number.NEGATIVE_INFINITY, 3]) seconds.record(value);
    meter.createHistogram('none').record(-0.5);
    const whole = meter.createHistogram('whole', { valueType: ValueType.INT });
    for (const value of [2.75, 5]) whole.record(value);
  });
  assert.deepEqual(ours, sdk);
  const { meter, collect } = start();
  meter.createHistogram('seconds').record(Number.NaN);
  assert.deepEqual((await collect()).scopeMetrics, []);
});

test('what was told does not change any more', async () => {
  const { meter, collect } = start();
  const seconds = meter.createHistogram('seconds');
  seconds.record(1);
  const { scopeMetrics } = await collect();
  const before = structuredClone(scopeMetrics);
  seconds.record(2);
  assert.deepEqual(scopeMetrics, before);
});

test('a reader that takes differences of counters only gets the rest as sums', async () => {
  const own = new OwnMetrics();
  const ofCounters = (type: InstrumentType) =>
    type === InstrumentType.OBSERVABLE_COUNTER ? DELTA : CUMULATIVE;
  const producers = [own.producer({ temporalityOf: ofCounters }), own.producer()];
  const meter = own.meterProvider(new MeterProvider()).getMeter('a scope');
  let now = 0;
  for (const kind of ['createObservableCounter', 'createObservableUpDownCounter'] as const)
    meter[kind](kind).addCallback((result) => result.observe(now));
  const told = async (producer: (typeof producers)[number]) => {
    const { resourceMetrics } = await producer.collect();
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap((metric) => [metric.aggregationTemporality, metric.dataPoints[0]!.value]),
    );
  };
  for (now = 2; now <= 6; now += 2) {
    assert.deepEqual(await told(producers[0]!), [DELTA, 2, CUMULATIVE, now]);
    assert.deepEqual(await told(producers[1]!), [CUMULATIVE, now, CUMULATIVE, now]);
  }
});

test('no point ends before it begins when the clock has been set back', async (t) => {
  for (const temporality of [CUMULATIVE, DELTA]) {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000_000 });
    const { meter, collect } = start(temporality);
    let total = 0;
    meter.createObservableCounter('counter').addCallback((result) => result.observe(total));
    const histogram = meter.createHistogram('histogram');
    for (const nowMs of [1_000_010_000, 996_400_000, 996_410_000]) {
      t.mock.timers.setTime(nowMs);
      total += 5;
      histogram.record(1);
      const { points } = await collect();
      for (const { startTime, endTime } of ['counter', 'histogram'].flatMap(points)) {
        assert.deepEqual(endTime, [nowMs / 1_000, 0]);
        assert.ok(startTime[0] <= endTime[0], `${startTime} ${endTime}`);
      }
    }
    t.mock.timers.reset();
  }
});

test('of what was counted before us, the first that is observed is where it begins, and so after a fall', async (t) => {
  const seconds = [1_000, 1_010, 1_020, 1_030, 1_040];
  const observed = [8_000, 8_004, 8_006, 100, 103];
  const told = async (temporality: AggregationTemporality) => {
    t.mock.timers.enable({ apis: ['Date'], now: 990_000 });
    const { meter, collect } = start(temporality, { beganBefore: (scope) => scope === 'a scope' });
    let total = 0;
    meter.createObservableCounter('counter').addCallback((result) => result.observe(total));
    const points: [from: number, to: number, value: number][] = [];
    for (const [index, second] of seconds.entries()) {
      t.mock.timers.setTime(second * 1_000);
      total = observed[index]!;
      for (const { startTime, endTime, value } of (await collect()).points('counter'))
        points.push([startTime[0], endTime[0], value]);
    }
    t.mock.timers.reset();
    return points;
  };
  assert.deepEqual(await told(DELTA), [
    [1_000, 1_000, 0],
    [1_000, 1_010, 4],
    [1_010, 1_020, 2],
    [1_030, 1_030, 0],
    [1_030, 1_040, 3],
  ]);
  assert.deepEqual(await told(CUMULATIVE), [
    [1_000, 1_000, 8_000],
    [1_000, 1_010, 8_004],
    [1_000, 1_020, 8_006],
    [1_030, 1_030, 100],
    [1_030, 1_040, 103],
  ]);
});
