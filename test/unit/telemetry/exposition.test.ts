/** A page is made of the bytes of the one before it: it must say what is collected now, and leave the one before alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api';
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import fc from 'fast-check';
import type { ExpositionFormat } from '../../../src/telemetry/accept.ts';
import { Exposition } from '../../../src/telemetry/exposition.ts';
import { layOut, readNumbers } from '../../../src/telemetry/exposition-layout.ts';

const time: HrTime = [0, 0];
const isSum = { dataPointType: DataPointType.SUM as const, isMonotonic: true };
const kinds = [isSum, { dataPointType: DataPointType.GAUGE as const }] as const;
const boundaries = [1, 10];

type Descriptor = MetricData['descriptor'];
const descriptorOf = (name: string): Descriptor => ({
  name,
  unit: 's',
  description: `What ${name} is, ü and 水 included.`,
  valueType: ValueType.DOUBLE,
});
/** One name in two places, so that its numbers come elsewhere than they are collected; the last is a histogram. */
const descriptors = ['a', 'b', 'a', 'c'].map(descriptorOf);
/** Of all of them, for an object stands for its text and not for its metric. */
const attributes = ['', 'é', '𝄞'].map((value): Attributes => ({ value }));
const resources = [{ 'service.name': 'tide' }, { 'service.name': 'ebb — ' }];

function metricOf(index: number, points: readonly (number | undefined)[]): MetricData {
  const base = { descriptor: descriptors[index]!, aggregationTemporality: AggregationTemporality.CUMULATIVE };
  const given = points.flatMap((value, place) =>
    value === undefined ? [] : [{ attributes: attributes[place]!, startTime: time, endTime: time, value }],
  );
  if (index < 3) return { ...base, ...kinds[index % 2]!, dataPoints: given } as MetricData;
  const dataPoints = given.map(({ value, ...rest }) => ({
    ...rest,
    value: { count: 3, sum: value, buckets: { boundaries, counts: [1, 0, 2] } },
  }));
  return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints };
}

const number = fc.oneof(
  fc.constantFrom(0, 1, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.constantFrom(-Number.MAX_VALUE, -2.2250738585072014e-308, Number.MIN_VALUE),
  fc.integer({ min: 0, max: 1_000_000 }),
  fc.double(),
);
/** Mostly there, so that a page often has the series of the one before. */
const points = fc.array(fc.option(number, { nil: undefined, freq: 12 }), { minLength: 3, maxLength: 3 });
const collection = fc.record({
  resource: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
  isThere: fc.array(fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.boolean()), {
    minLength: 4,
    maxLength: 4,
  }),
  points: fc.array(points, { minLength: 4, maxLength: 4 }),
});

/** Put together as text, without regard to what was before. */
function textOf(format: ExpositionFormat, resource: Attributes, metrics: MetricData[]): string {
  const { layout, texts } = layOut(format, resource, metrics);
  const numbers = new Float64Array(texts.starts.length);
  assert.ok(readNumbers(layout, resource, metrics, numbers));
  const lines = texts.starts.map((start, index) => start + String(numbers[index]).replace('Infinity', 'Inf'));
  return (lines.join('') + texts.end).replace(/ Inf$/gm, ' +Inf');
}

for (const format of ['text', 'openmetrics'] as const) {
  test(`a page of ${format} is what it would be without one before it, and that one stays as it is`, () => {
    fc.assert(
      fc.property(fc.array(collection, { minLength: 2, maxLength: 12 }), (collections) => {
        const exposition = new Exposition(format);
        const handedOut: [page: Buffer, text: string][] = [];
        for (const one of collections) {
          const metrics = one.points.flatMap((values, index) =>
            one.isThere[index] === true ? [metricOf(index, values)] : [],
          );
          const resource = resources[one.resource]!;
          const page = exposition.render(resource, metrics);
          assert.equal(String(page), textOf(format, resource, metrics));
          handedOut.push([page, String(page)]);
        }
        for (const [page, text] of handedOut) assert.equal(String(page), text);
      }),
      { numRuns: 500 },
    );
  });
}
