/**
 * OTLP requests as the series that Prometheus would make of them, so that they can be compared with /metrics to the
 * last digit. Names follow the rules in src/telemetry/metric-names.ts, which the end-to-end test of series names
 * proves against the real programs.
 */
import { labelName, type SeriesKind, seriesName } from '../../src/telemetry/metric-names.ts';
import type { OtlpAttribute, OtlpMetric, OtlpMetricsRequest, OtlpPoint } from './collector.ts';
import { type Labels, type SeriesValues, seriesKey } from './series.ts';

const CUMULATIVE = 2;
const DELTA = 1;

/** What one export says: totals with cumulative temporality, what was added since the last one with delta. */
export function exportedSeries(request: OtlpMetricsRequest): SeriesValues {
  return new Map(metricsOf(request).flatMap((metric) => metricSeries(metric)));
}

/** The sums over all exports, of what is exported as a difference; of everything else the last value. */
export function summedSeries(requests: readonly OtlpMetricsRequest[]): SeriesValues {
  const sums: SeriesValues = new Map();
  for (const metric of requests.flatMap(metricsOf)) {
    const isDelta = temporalityOf(metric) === DELTA;
    for (const [key, value] of metricSeries(metric))
      sums.set(key, value + (isDelta ? (sums.get(key) ?? 0) : 0));
  }
  return sums;
}

/** The names of the metrics with each temporality; gauges have none. */
export function namesByTemporality(request: OtlpMetricsRequest): { cumulative: string[]; delta: string[] } {
  const named = (temporality: number) =>
    metricsOf(request)
      .filter((metric) => temporalityOf(metric) === temporality)
      .map(({ name }) => name);
  return { cumulative: named(CUMULATIVE), delta: named(DELTA) };
}

export function metricsOf({ resourceMetrics }: OtlpMetricsRequest): OtlpMetric[] {
  return resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
}

/** Resource attributes of a request, which has one resource. */
export function resourceOf({ resourceMetrics }: OtlpMetricsRequest): Record<string, string> {
  return attributeValues(resourceMetrics[0]?.resource.attributes);
}

/** When the figures of an export were read, in Unix milliseconds. */
export function readAtMs(request: OtlpMetricsRequest): number {
  const points = metricsOf(request).flatMap((metric) => pointsOf(metric));
  return Math.max(...points.map(({ timeUnixNano }) => Number(BigInt(timeUnixNano) / 1_000n) / 1_000));
}

function temporalityOf({ sum, histogram }: OtlpMetric): number | undefined {
  return (sum ?? histogram)?.aggregationTemporality;
}

function pointsOf({ sum, gauge, histogram }: OtlpMetric): OtlpPoint[] {
  return (sum ?? gauge ?? histogram)?.dataPoints ?? [];
}

function metricSeries(metric: OtlpMetric): [string, number][] {
  const name = seriesName(metric.name, metric.unit ?? '', kindOf(metric));
  return pointsOf(metric).flatMap((point) => {
    const labels = Object.fromEntries(
      Object.entries(attributeValues(point.attributes)).map(([key, value]) => [labelName(key), value]),
    );
    return metric.histogram === undefined
      ? [[seriesKey(name, labels), numberOf(point)] as [string, number]]
      : histogramSeries(name, labels, point);
  });
}

function histogramSeries(name: string, labels: Labels, point: OtlpPoint): [string, number][] {
  let upToHere = 0;
  const bounds = [...(point.explicitBounds ?? []), Number.POSITIVE_INFINITY];
  const buckets = bounds.map((bound, index): [string, number] => {
    upToHere += Number(point.bucketCounts?.[index] ?? 0);
    return [seriesKey(`${name}_bucket`, { ...labels, le: String(bound) }), upToHere];
  });
  return [
    ...buckets,
    [seriesKey(`${name}_count`, labels), Number(point.count ?? 0)],
    [seriesKey(`${name}_sum`, labels), point.sum ?? 0],
  ];
}

function kindOf({ sum, gauge, histogram }: OtlpMetric): SeriesKind {
  if (histogram !== undefined) return 'histogram';
  if (gauge !== undefined) return 'gauge';
  return sum?.isMonotonic === true ? 'counter' : 'upDownCounter';
}

function numberOf({ asInt, asDouble }: OtlpPoint): number {
  return asInt === undefined ? (asDouble ?? 0) : Number(asInt);
}

function attributeValues(attributes: OtlpAttribute[] = []): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]));
}
