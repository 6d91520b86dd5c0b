/** What becomes of a collected metric in Prometheus: kind, name and unit, worked out once for each instrument. */
import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import { type SeriesKind, seriesName, seriesUnit } from './metric-names.ts';

export type Series = {
  kind: SeriesKind;
  /** With the `_total` of counters; of a histogram without `_bucket`, `_sum` and `_count`. */
  name: string;
  /** In Prometheus' words; '' where there is none. */
  unit: string;
};

/** By the SDK's descriptor, which lives as long as its instrument. */
const known = new WeakMap<object, Series>();

/** Undefined for exponential histograms, which the text formats do not have. */
export function seriesOf(metric: MetricData): Series | undefined {
  const { descriptor } = metric;
  let series = known.get(descriptor);
  if (series === undefined) {
    const kind = kindOf(metric);
    if (kind === undefined) return undefined;
    const { name, unit } = descriptor;
    series = { kind, name: seriesName(name, unit, kind), unit: seriesUnit(unit, kind) };
    known.set(descriptor, series);
  }
  return series;
}

function kindOf(metric: MetricData): SeriesKind | undefined {
  if (metric.dataPointType === DataPointType.HISTOGRAM) return 'histogram';
  if (metric.dataPointType === DataPointType.GAUGE) return 'gauge';
  if (metric.dataPointType !== DataPointType.SUM) return undefined;
  return metric.isMonotonic ? 'counter' : 'upDownCounter';
}
